package e2e

import (
	"encoding/json"
	"net/http"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMakeRun is the newcomer's first minute: one command, and there is a
// protected server that a client with the key can use.
func TestMakeRun(t *testing.T) {
	t.Parallel()
	state := stateDir(t)
	if _, err := exec.LookPath("make"); err != nil {
		missing(t, "make")
	}
	cmd := exec.Command("make", "--no-print-directory", "-C", root(t), "run", "ARGS=--json --listen 127.0.0.1:0 --state "+state)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // make, go and gatehouse, as a terminal would signal them
	p := start(t, cmd)
	defer func() {
		if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGINT); err != nil {
			t.Error(err)
		}
		select {
		case <-p.done:
		case <-time.After(5*time.Second + slack()):
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			t.Error("still running after Ctrl+C")
		}
	}()
	g := &gateway{program: p}
	for end := time.Now().Add(5 * time.Minute); g.URL == ""; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("not ready")
		}
		_, line, _ := strings.Cut(p.stdout.String(), "{") // after the command that make echoes
		if line, _, ok := strings.Cut(line, "\n"); ok {
			if err := json.Unmarshal([]byte("{"+line), g); err != nil {
				t.Fatal(err)
			}
		}
	}
	resp, err := http.Post(g.URL, "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a key: got %s, want 401", resp.Status)
	}
	got := goSDK(t, g.URL, g.Key, "auto", "echo", map[string]any{"text": "hello"})
	if got.Error != "" || !strings.Contains(got.Text, "hello") {
		t.Errorf("with the key: got %+v, want an answer with hello", got)
	}
}
