package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestScripts runs every command of the real binary. Besides the commands that
// testscript has, a script may say:
//
//	up [-env NAME=VALUE] ARGS…   start `gatehouse up --json ARGS…` and wait until it is ready;
//	                             sets URL, KEY (empty on a second run), KEY_ID and STATE
//	serve ARGS…                  start `gatehouse serve --json ARGS…` and wait until it is ready; sets URL and ADMIN
//	down                         end it with SIGTERM; it must end in order, within 5 s
//	killed                       end it with SIGKILL
//	post STATUS [KEY]            call tools/list at URL until it answers with STATUS, soon
//	put NAME MEMBER              set the variable NAME to a member of the JSON object in stdout
//	canary SECRET DIR…           look for the secret half of a key in every file below the directories
func TestScripts(t *testing.T) {
	t.Parallel()
	binary := gatehouseBinary(t)
	testscript.Run(t, testscript.Params{
		Dir: "testdata", WorkdirRoot: stateDir(t),
		Setup: func(e *testscript.Env) error {
			home := filepath.Join(e.WorkDir, "home")
			bin := filepath.Join(e.WorkDir, "bin")
			for _, dir := range []string{home, bin} {
				if err := os.MkdirAll(dir, 0o700); err != nil {
					return err
				}
			}
			if err := os.Symlink(binary, filepath.Join(bin, "gatehouse")); err != nil {
				return err
			}
			races := filepath.Join(e.WorkDir, "races")
			e.Setenv("GORACE", endsSoon+" log_path="+races)
			e.Defer(func() { tellRaces(e.T(), races) })
			e.Setenv("HOME", home)
			e.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path="+filepath.Join(home, "none")) // the keyring of whoever runs the tests is not for us
			e.Setenv("PATH", bin+string(os.PathListSeparator)+e.Getenv("PATH"))
			e.Setenv("S", filepath.Join(home, ".local", "share", "gatehouse"))
			e.Values["server"] = &scriptServer{}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"up": cmdUp, "serve": cmdServe, "down": cmdDown, "killed": cmdKilled, "post": cmdPost, "put": cmdPut, "canary": cmdCanary,
		},
	})
}

// tellRaces fails a script in which a program wrote a report of the race
// detector, a file of its own each: a command that has to fail may do that.
func tellRaces(t testscript.T, prefix string) {
	reports, err := filepath.Glob(prefix + ".*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range reports {
		text, err := os.ReadFile(name)
		t.Fatal(string(text), err)
	}
}

// scriptServer is the server of one script.
type scriptServer struct {
	cmd            *exec.Cmd
	stdout, stderr *output
	done           chan error
}

func serverOf(ts *testscript.TestScript) *scriptServer {
	return ts.Value("server").(*scriptServer) //nolint:forcetypeassert // Setup put it there
}

func cmdUp(ts *testscript.TestScript, _ bool, args []string) {
	line := launch(ts, append([]string{"up", "--json", "--listen", "127.0.0.1:0"}, args...))
	for name, member := range map[string]string{"URL": "url", "KEY": "key", "KEY_ID": "key_id", "STATE": "state"} {
		text, _ := line[member].(string)
		ts.Setenv(name, text)
	}
}

func cmdServe(ts *testscript.TestScript, _ bool, args []string) {
	line := launch(ts, append([]string{"serve", "--json"}, args...))
	admin, _ := line["admin"].(string)
	ts.Setenv("ADMIN", admin)
	servers, _ := line["servers"].([]any)
	if len(servers) == 0 {
		ts.Fatalf("got %v, want servers", line)
	}
	first, _ := servers[0].(map[string]any)
	url, _ := first["url"].(string)
	ts.Setenv("URL", url)
}

// launch starts a server and returns the line that says it is ready.
func launch(ts *testscript.TestScript, all []string) map[string]any {
	s := serverOf(ts)
	s.cmd = exec.Command(filepath.Join(ts.Getenv("WORK"), "bin", "gatehouse"), all...)
	s.cmd.Dir = ts.MkAbs(".")
	for _, name := range []string{"HOME", "PATH", "XDG_DATA_HOME", "GATEHOUSE_KEY_PEPPER", "CANARY", "GORACE"} {
		if v := ts.Getenv(name); v != "" {
			s.cmd.Env = append(s.cmd.Env, name+"="+v)
		}
	}
	s.stdout, s.stderr, s.done = newOutput(), newOutput(), make(chan error, 1)
	s.cmd.Stdout, s.cmd.Stderr = s.stdout, s.stderr
	ts.Check(s.cmd.Start())
	go func() { s.done <- s.cmd.Wait() }()
	ts.Defer(func() {
		if s.cmd.ProcessState == nil {
			_ = s.cmd.Process.Kill()
			<-s.done
		}
		ts.Logf("gatehouse wrote:\n%s", s.stderr)
	})
	select {
	case <-s.stdout.line:
	case err := <-s.done:
		s.done <- err
		ts.Fatalf("gatehouse ended: %v\n%s", err, s.stderr)
	case <-time.After(patience):
		ts.Fatalf("gatehouse is not ready\n%s", s.stderr)
	}
	var line map[string]any
	ts.Check(json.Unmarshal([]byte(s.stdout.String()), &line))
	return line
}

func cmdDown(ts *testscript.TestScript, _ bool, _ []string) {
	s := serverOf(ts)
	ts.Check(s.cmd.Process.Signal(syscall.SIGTERM))
	select {
	case err := <-s.done:
		s.done <- err
		ts.Check(err)
	case <-time.After(5*time.Second + slack()):
		ts.Fatalf("still running 5 s after SIGTERM")
	}
	if lines := strings.Count(s.stdout.String(), "\n"); lines != 1 {
		ts.Fatalf("got %d lines on standard output, want one", lines)
	}
	ts.Check(os.WriteFile(ts.MkAbs("up.log"), []byte(s.stderr.String()), 0o600))
}

func cmdKilled(ts *testscript.TestScript, _ bool, _ []string) {
	s := serverOf(ts)
	ts.Check(s.cmd.Process.Kill())
	err := <-s.done
	s.done <- err
}

// cmdPost allows for the second in which a change has to take effect, and for a loaded machine.
func cmdPost(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: post STATUS [KEY]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	key := ""
	if len(args) > 1 {
		key = args[1]
	}
	for end := time.Now().Add(time.Second + slack()); ; {
		status, body, err := post(ts.Getenv("URL"), key)
		ts.Check(err)
		if status == want {
			_, err = io.WriteString(ts.Stdout(), body)
			ts.Check(err)
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("got status %d, want %d: %s", status, want, body)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// post calls tools/list as a client of the newer era.
func post(url, key string) (status int, body string, err error) {
	const call = `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{` +
		`"io.modelcontextprotocol/protocolVersion":"2026-07-28",` +
		`"io.modelcontextprotocol/clientInfo":{"name":"script","version":"1"},` +
		`"io.modelcontextprotocol/clientCapabilities":{}}}}`
	req, err := http.NewRequest(http.MethodPost, url, strings.NewReader(call))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	req.Header.Set("Mcp-Protocol-Version", "2026-07-28")
	req.Header.Set("Mcp-Method", "tools/list")
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	return res.StatusCode, string(b), err
}

func cmdPut(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: put NAME MEMBER")
	}
	var object map[string]any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &object))
	v, ok := object[args[1]]
	if !ok {
		ts.Fatalf("no member %s in %v", args[1], object)
	}
	ts.Setenv(args[0], fmt.Sprint(v))
}

// cmdCanary expects the secret nowhere; with "!" it expects to find it.
func cmdCanary(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: canary KEY DIR…")
	}
	const secretAt = len("gthk_0123456789ab_")
	secret := args[0]
	if len(secret) > secretAt {
		secret = secret[secretAt:]
	}
	found := ""
	for _, dir := range args[1:] {
		ts.Check(filepath.WalkDir(ts.MkAbs(dir), func(p string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			text, err := os.ReadFile(p)
			if bytes.Contains(text, []byte(secret)) {
				found = p
			}
			return err
		}))
	}
	if (found != "") != neg {
		ts.Fatalf("secret found in %q, want found=%v", found, neg)
	}
}
