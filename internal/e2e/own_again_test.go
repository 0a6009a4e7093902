package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestProgramsSignInAtAServerThatWasSetUpAnew has programs come back with ids
// and tokens of a server that is not there any more: at its address is another,
// with other keys and nothing in its store. They find out, register anew, and
// their user signs in, without anything to clear on their side.
func TestProgramsSignInAtAServerThatWasSetUpAnew(t *testing.T) {
	t.Parallel()
	f := reserved(t)
	f.openOwn(t, goServer(t, true))
	programs := []struct {
		name string
		goes going
		seen []*window
	}{
		{"mcp-remote", remoteTraveller(known{}), nil},
		{"inspector", inspectorTraveller(known{}), nil},
	}
	signIn := func(user string) {
		t.Run(user, func(all *testing.T) {
			for i := range programs {
				p := &programs[i]
				all.Run(p.name, func(part *testing.T) {
					part.Parallel()
					ada := settle(part, f, user+"-"+p.name)
					w := ada.window(t) // what it keeps outlives this part
					if p.seen != nil {
						w.home = p.seen[0].home
						w.env = append(w.env, "HOME="+w.home)
					}
					p.seen = append(p.seen, w)
					to := own(part, f, ada, known{})
					to.window = func(testing.TB) *window { return w }
					j := p.goes(part, f, to, ada.name, reading)
					if j.Error != "" || len(j.Sent) != 1 || len(j.Results) != 1 || j.Results[0].Error != "" {
						part.Errorf("got %+v, want an answer after one request", j)
					}
				})
			}
		})
	}
	signIn("before")
	if err := f.stop(); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(f.dir, "state")); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(f.dir, "kek"), strings.Repeat("l", 40))
	f.launch(t)
	signIn("after")
	for _, p := range programs {
		if len(p.seen) == 2 && len(p.seen[1].requests()) == 1 && p.seen[0].requests()[0]["client_id"] == p.seen[1].requests()[0]["client_id"] {
			t.Errorf("%s has the id from before", p.name)
		}
	}
}
