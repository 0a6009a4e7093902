package server

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/config"
)

// What the file says of sign-ins is what they are like.
func TestSettingsOfSignInsAreInForce(t *testing.T) {
	i := opened(t, State{Dir: filepath.Join(t.TempDir(), "state")}, strings.Repeat("k", 32))
	defer i.Close()
	c := &config.Config{Auth: config.Auth{Embedded: &config.Embedded{Issuer: "https://auth.test", SessionTTL: time.Hour}}}
	c.Complete()
	s := i.newPeople(c, nil)
	if s.Settings.SessionIdle != time.Hour || s.Name != "" {
		t.Errorf("left out: got %+v, %q", s.Settings, s.Name)
	}
	c.Auth.Embedded.SessionIdle, c.Auth.Embedded.Name = time.Minute, "Acme Notes"
	if s = i.newPeople(c, nil); s.Settings.SessionIdle != time.Minute || s.Name != "Acme Notes" {
		t.Errorf("got %+v, %q", s.Settings, s.Name)
	}
	l, err := LoginSettings(c, &config.Login{Name: "acme"})
	if err != nil || l.House != "Acme Notes" {
		t.Errorf("got %+v, %v", l, err)
	}
}
