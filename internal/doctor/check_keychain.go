package doctor

import (
	"context"
	"errors"
	"io/fs"

	"github.com/gatehouse-mcp/gatehouse/internal/signin"
)

// keychain looks at what the bridge keeps, as `gatehouse bridge status` does.
var keychain = Check{"sign-ins", "the keychain of the bridge, and whether its sign-ins still hold", func(ctx context.Context, m *Machine, r *report) {
	where, all, err := m.Accounts(ctx)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		r.ok("nobody has signed in to a server with the bridge")
		return
	case err != nil:
		r.fail("GH-2421", "unlock the keyring, or give the passphrase that it was sealed under; what is lost is signed in anew: gatehouse bridge login URL", "what is kept of sign-ins cannot be opened: %v", err)
		return
	}
	r.ok("what is kept is in %s", where)
	for i := range all {
		m.judgeAccount(r, &all[i])
	}
}}

func (m *Machine) judgeAccount(r *report, a *signin.Account) {
	again := "gatehouse bridge login " + shown(a.Server)
	switch {
	case a.Renewing:
		r.ok("signed in to %s, and renewed by itself", shown(a.Server))
	case a.Expires.IsZero():
		r.ok("signed in to %s", shown(a.Server))
	case m.Now().After(a.Expires):
		r.warn("GH-2421", again, "the sign-in to %s has ended, and is not renewed", shown(a.Server))
	default:
		r.ok("signed in to %s until %s", shown(a.Server), a.Expires.UTC().Format("2 Jan 15:04 MST"))
	}
}
