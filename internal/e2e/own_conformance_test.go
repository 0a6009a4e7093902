package e2e

import (
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

// toVisit is what the suite asks somebody to open in their browser.
var toVisit = regexp.MustCompile(`(?m)^(https://\S+/authorize\?\S+)$`)

// TestAuthorizationServerConformance holds our own authorization server to what
// the official suite has for authorization servers, in every dated version: a
// person with an account of ours goes where the suite asks them to.
func TestAuthorizationServerConformance(t *testing.T) {
	t.Parallel()
	f := reserved(t)
	f.openOwn(t, newDouble(t, nil).URL)
	f.run("client", "create", "--id", "conformance", "--name", "The suite", "--redirect-uri", "http://127.0.0.1/callback", "--public")
	ada := settle(t, f, "ada")
	for _, version := range []string{"2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"} {
		t.Run(version, func(t *testing.T) { //nolint:paralleltest // one person, with one browser
			_, port, _ := strings.Cut(freeAddress(t), ":")
			cmd := exec.Command(node(t), npm(t, "node_modules", "@modelcontextprotocol", "conformance", "dist", "index.js"),
				"authorization", "--url", "https://"+f.address, "--client-id", "conformance", "--resource", f.url, "--port", port, "--spec-version", version, "--verbose")
			cmd.Env = append(os.Environ(), "NODE_EXTRA_CA_CERTS="+f.all)
			suite := start(t, cmd)
			var at []string
			eventually(t, "the suite says where to go", func() bool {
				at = toVisit.FindStringSubmatch(suite.stdout.String())
				return at != nil || len(suite.done) > 0
			})
			if at == nil {
				t.Fatalf("the suite ended:\n%s%s", suite.stdout, suite.stderr)
			}
			back, err := ada.visit(t.Context(), at[1])
			if err != nil {
				t.Fatal(err)
			}
			if res, err := http.Get(back.String()); err != nil {
				t.Fatal(err)
			} else {
				_ = res.Body.Close()
			}
			select {
			case err := <-suite.done:
				suite.done <- err
				if out := suite.stdout.String(); err != nil || !strings.Contains(out, " passed, 0 failed") || strings.Contains(out, `"WARNING"`) || strings.Contains(out, `"SKIPPED"`) {
					t.Errorf("%v\n%s%s", err, out, suite.stderr)
				}
				t.Log(summary(suite.stdout.String()))
			case <-time.After(patience):
				t.Fatalf("the suite does not end:\n%s", suite.stdout)
			}
		})
	}
}
