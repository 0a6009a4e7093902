package tenantfs_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/tenantfs"
)

const secret = "of bob's" //nolint:gosec // a text that must not turn up

// two opens a root with the files of ada, and a secret of bob's beside them.
func two(t testing.TB) (base string, root *tenantfs.Root, ada *tenantfs.FS) {
	t.Helper()
	base = t.TempDir()
	root, err := tenantfs.Open(base)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	bob, err := root.Tenant("bob")
	if err != nil {
		t.Fatal(err)
	}
	if err := bob.WriteFile("secret", []byte(secret)); err != nil {
		t.Fatal(err)
	}
	_ = bob.Close()
	if ada, err = root.Tenant("ada"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ada.Close() })
	return base, root, ada
}

func TestFS(t *testing.T) {
	base, _, ada := two(t)
	for _, err := range []error{
		ada.MkdirAll("a/b"), ada.WriteFile("a/b/c", []byte("1")), ada.WriteFile("a/b/c", []byte("2")), ada.WriteFile("x", nil),
		ada.Rename("x", "a/x"), ada.WriteFile("gone", nil), ada.Remove("gone"), ada.MkdirAll("d/e"), ada.RemoveAll("d"),
		os.Symlink("c", filepath.Join(base, "ada/a/b/inside")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	f, err := ada.Create("new")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = f.WriteString("n")
	_ = f.Close()
	if got, err := ada.ReadFile("a/b/inside"); err != nil || string(got) != "2" {
		t.Errorf("got %q, %v by a link that stays inside", got, err)
	}
	if err := fstest.TestFS(ada, "a/b/c", "a/x", "new"); err != nil {
		t.Error(err)
	}
	if st, err := os.Stat(filepath.Join(base, "ada", "new")); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v", st.Mode(), err)
	}
	if st, err := os.Stat(filepath.Join(base, "ada")); err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("got %v, %v", st.Mode(), err)
	}
	if file, err := ada.Open("nothing"); !errors.Is(err, fs.ErrNotExist) || file != nil {
		t.Errorf("got %v, %v", file, err)
	}
}

func TestFor(t *testing.T) {
	_, root, _ := two(t)
	who := func(tenant string) context.Context {
		return gatehouse.NewContext(t.Context(), &gatehouse.Identity{Issuer: "https://a.example", Subject: "a", Tenant: tenant})
	}
	bob, err := root.For(who("bob"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := bob.ReadFile("secret"); err != nil || string(got) != secret {
		t.Errorf("got %q, %v", got, err)
	}
	_ = bob.Close()
	for want, ctx := range map[string]context.Context{"GH-1001": t.Context(), "GH-1206": who("")} {
		var e *gatehouse.Error
		if f, err := root.For(ctx); !errors.As(err, &e) || e.Code != want || f != nil {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	root.Name = func(id *gatehouse.Identity) (string, error) { return "", errors.New("not told") }
	if f, err := root.For(who("bob")); err == nil || f != nil {
		t.Error("want an error of whose tenant cannot be told")
	}
	root.Name = func(id *gatehouse.Identity) (string, error) { return id.Issuer + "|" + id.Tenant, nil }
	if f, err := root.For(who("bob")); !errors.Is(err, tenantfs.ErrTenant) || f != nil {
		t.Errorf("got %v for a name with slashes", err)
	}
}

func TestTenantNames(t *testing.T) {
	base, root, _ := two(t)
	for _, bad := range []string{
		"", ".", "..", "../bob", "bob/", "/bob", "a/b", `a\b`, "bob\x00", "\x00", "bob\n", " bob", "bob ", "bob\u202e", "\xff", strings.Repeat("a", 256), strings.Repeat("A", 86),
	} {
		if f, err := root.Tenant(bad); !errors.Is(err, tenantfs.ErrTenant) || f != nil {
			t.Errorf("%q: got %v, want ErrTenant", bad, err)
		}
	}
	dirs := map[string]string{} // in lower case, by name
	for _, name := range []string{
		"bob", "Bob", "BOB", "b=6fb", "...", ".bob", "bob.", "b.ob", "con", "con.txt", "CON", "com1", "nul", "aux.", "org_2aB", "böb", "bo\u0308b", "b\u00f6b",
		"acme.com", "a b", "a%2fb", "=2e", "~", "C:", "bob:stream", "-rf", strings.Repeat("a", 255),
	} {
		f, err := root.Tenant(name)
		if err != nil {
			t.Errorf("%q: %v", name, err)
			continue
		}
		if err := f.WriteFile("name", []byte(name)); err != nil {
			t.Error(err)
		}
		_ = f.Close()
		dirs[name] = ""
	}
	entries, err := os.ReadDir(base)
	if err != nil {
		t.Fatal(err)
	}
	folded := map[string]bool{}
	for _, e := range entries {
		name := strings.ToLower(e.Name())
		if folded[name] || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.=") != "" || strings.HasPrefix(name, ".") || strings.HasSuffix(name, ".") || strings.HasPrefix(name, "con") {
			t.Errorf("%q does not do on every filesystem", e.Name())
		}
		folded[name] = true
	}
	for name := range dirs {
		f, err := root.Tenant(name)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := f.ReadFile("name"); err != nil || string(got) != name {
			t.Errorf("%q: got the files of %q, %v", name, got, err)
		}
		_ = f.Close()
	}
}
