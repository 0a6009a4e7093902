package doctor

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"os"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/clients"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/idp"
	"github.com/gatehouse-mcp/gatehouse/internal/safehttp"
	"github.com/gatehouse-mcp/gatehouse/internal/signin"
)

// Machine is what the checks know of the machine. All of it is required unless
// it says otherwise; nothing of it changes anything.
type Machine struct {
	File     string          // the configuration; empty: none was named
	Config   *config.Config  // nil: none, or it cannot be read
	Mistakes config.Mistakes // in it, warnings included
	Unread   error           // why the file could not be read at all; nil: it could

	State    string   // directory of the installation
	Database string   // the SQLite file
	Trail    string   // the audit trail's file; empty: it goes to standard output
	URLs     []string // of the servers that are protected here, as clients have them

	Status   *adminapi.Status // of the server that runs; nil: none does
	Unasked  error            // why the server could not be asked, if one may run; nil: it was, or none runs
	Root     bool             // we run as root
	Hash     string           // of Config; empty: it cannot be served
	Pepper   string           // why GATEHOUSE_KEY_PEPPER cannot be used; empty: it can, or there is none
	Environ  []string         // our environment, "NAME=value"
	System   *clients.System
	Now      func() time.Time
	Resolver Resolver
	Roots    *x509.CertPool // who vouches for certificates; nil: the system's

	Inspect  func(ctx context.Context) (*Database, error)                              // looks into the database
	Verify   func(ctx context.Context) (*Verified, error)                              // reads the whole trail
	Gather   func(ctx context.Context, u *config.Issuer, f *idp.Facts) (bool, error)   // what a provider says; false: nobody answered
	Accounts func(ctx context.Context) (where string, all []signin.Account, err error) // sign-ins of the bridge; fs.ErrNotExist: nothing was ever kept
	Program  func(name string) bool                                                    // whether a command is installed
	Resolve  func(program, dir string) (string, error)                                 // the file of a command
	Account  func(name string) error                                                   // whether an account exists
	Writable func(path string) error                                                   // why we could not write there, without trying it; nil: we could, or that is not known
	Free     func(path string) (bytes uint64, err error)                               // on the disk of a file
	Files    func() (limit uint64, err error)                                          // how many a process may have open
	Issued   func(ctx context.Context, name string) (*x509.Certificate, error)         // what ACME gave for a name; fs.ErrNotExist: nothing yet
	CAA      func(ctx context.Context, name string) ([]CAA, error)                     // records of just this name; none and no error: it has none
	Dial     func(ctx context.Context, network, address string) (net.Conn, error)      // connects, as net.Dialer does
	Synced   func() (bool, error)                                                      // whether the system says that its clock is set by others
	Switch   func(file string) ([]byte, error)                                         // a setting of the kernel, such as /proc/sys/user/max_user_namespaces
	Bounds   func(pid int) (Bounds, error)                                             // of a process and its children
	Listen   func(ctx context.Context, address string) error                           // whether one could listen there: *adminapi.Error if not
}

// Resolver looks names up, as net.Resolver does.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Database is what was seen of the store.
type Database struct {
	Schema, Known int64 // versions: its own, and the newest that this program has
	Bytes         int64
	Tenants, Keys int64
}

// Verified is what reading the trail found.
type Verified struct {
	Files, Damaged int
	Where          string // of the first damage: file and byte
}

// Bounds are what a process and its children may have; 0: as much as there is.
type Bounds struct {
	Memory    uint64 // bytes
	Processes uint64
}

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 1 << 20

// direct reaches what the operator wrote down, wherever it is. No redirect is
// followed, and no proxy asked: it would be the proxy that is judged.
func direct(roots *x509.CertPool) *http.Client {
	t := &http.Transport{TLSClientConfig: tlsWith(roots), DisableKeepAlives: true}
	return &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// guarded reaches what documents of others lead to: what is public, and what the
// configuration says of what is private.
func (m *Machine) guarded(private []string, ca string) (*http.Client, error) {
	p := safehttp.Policy{Allow: private, Roots: m.Roots, Timeout: patience}
	if ca != "" {
		text, err := os.ReadFile(ca)
		if err != nil {
			return nil, err
		}
		if p.Roots = x509.NewCertPool(); !p.Roots.AppendCertsFromPEM(text) {
			return nil, errors.New(ca + " has no certificate in it")
		}
	}
	return p.Client()
}
