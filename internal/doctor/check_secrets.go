package doctor

import (
	"context"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/internal/config"
)

// secrets says where secrets come from. A file of one that others can read, and a
// reference that leads nowhere, are mistakes of the configuration: it cannot be
// read with them.
var secrets = Check{"secrets", "what ${…} refers to, and who can read it", func(_ context.Context, m *Machine, r *report) {
	if m.Pepper != "" {
		r.fail("GH-2403", "make one: openssl rand -base64 32", "%s", m.Pepper)
	}
	for _, x := range m.Mistakes {
		if reference(&x) {
			r.fail("GH-2411", "see that it is there, for the account that runs gatehouse: a file has mode 0600", "%s", x.Text)
		}
	}
	if m.Config == nil {
		r.blind = len(r.lines) == 0
		return
	}
	n := 0
	for _, s := range m.Config.Settings() {
		if _, from, ok := strings.Cut(s.Origin, ", "); ok && s.Digest != "" {
			n++
			r.ok("%s comes from %s", s.Path, from)
		}
	}
	if n == 0 && len(r.lines) == 0 {
		r.ok("the configuration refers to no secret")
	}
}}

// reference says whether a mistake is about what a ${…} refers to.
func reference(x *config.Mistake) bool {
	for _, words := range []string{" names the variable ", " is in the file ", " asks the program "} {
		if strings.Contains(x.Text, words) {
			return !x.Warning
		}
	}
	return false
}
