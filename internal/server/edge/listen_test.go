package edge

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"log/slog"
)

// refused wants an error with a code.
func refused(t *testing.T, err error, code string, texts ...string) {
	t.Helper()
	var e *adminapi.Error
	if !errors.As(err, &e) || e.Code != code {
		t.Fatalf("got %v, want %s", err, code)
	}
	for _, text := range texts {
		if !strings.Contains(e.Message, text) {
			t.Errorf("got %q, want %q in it", e.Message, text)
		}
	}
}

func quiet(c config.Server) *Edge {
	return &Edge{Config: c, Log: slog.New(slog.DiscardHandler)}
}

func TestPortInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = Open(t.Context(), l.Addr().String(), nil)
	refused(t, err, "GH-2301", l.Addr().String(), "--listen 127.0.0.1:")
}

// Everything is opened or nothing.
func TestListenIsWhole(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	path := filepath.Join(t.TempDir(), "s")
	e := quiet(config.Server{Listen: "unix:" + path, PlainListen: l.Addr().String()})
	refused(t, e.Listen(t.Context()), "GH-2301")
	if _, err := os.Stat(path); err == nil {
		t.Error("got a socket left behind, want none")
	}
}

// A174: wider than loopback there is TLS, or nothing.
func TestA174PlainHTTPStaysOnLoopback(t *testing.T) {
	for _, address := range []string{"0.0.0.0:0", "[::]:0", ":0"} {
		refused(t, quiet(config.Server{Listen: address}).Listen(t.Context()), "GH-2004")
	}
	e := quiet(config.Server{Listen: "127.0.0.1:0"})
	if err := e.Listen(t.Context()); err != nil {
		t.Errorf("got %v on loopback, want none", err)
	}
	_ = e.Close()
}

func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gate.sock")
	f := served(t, config.Server{Listen: "unix:" + path}, nil)
	at, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if at.Mode().Perm() != 0o660 {
		t.Errorf("got mode %v, want 0660", at.Mode().Perm())
	}
	c := f.via("unix:" + path)
	if _, body := ask(t, c, "GET", "http://gate.test/"); !strings.HasSuffix(body, "127.0.0.1 trusted-proxy") {
		t.Errorf("got %q, want this machine", body)
	}
	if _, body := ask(t, c, "GET", "http://gate.test/", "X-Forwarded-For: 192.0.2.7"); !strings.HasSuffix(body, "192.0.2.7 forwarded") {
		t.Errorf("got %q, want the address that the proxy tells", body)
	}
	_, err = Open(t.Context(), "unix:"+path, nil)
	refused(t, err, "GH-2301")
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("got a socket left behind, want none")
	}
}

func TestUnixSocketThatIsStale(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	_ = l.Close()
	opened, err := Open(t.Context(), "unix:"+path, nil)
	if err != nil {
		t.Fatalf("got %v over a socket that nobody answers on, want it replaced", err)
	}
	// One that took our place is not ours to remove.
	_ = os.Remove(path)
	other, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	_ = opened[0].Close()
	if _, err := os.Stat(path); err != nil {
		t.Error("got the other's socket removed, want it left alone")
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = Open(t.Context(), "unix:"+file, nil)
	refused(t, err, "GH-2403", "not removed")
	if text, _ := os.ReadFile(file); string(text) != "precious" {
		t.Error("got the file harmed")
	}
}

// inherited makes a socket as systemd passes it.
func inherited(t *testing.T, name string) (*os.File, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fd, err := dup(f)
	if err != nil {
		t.Fatal(err)
	}
	return os.NewFile(uintptr(fd), name), l.Addr().String()
}

func TestSystemdSockets(t *testing.T) {
	web, webAddress := inherited(t, "web")
	more, moreAddress := inherited(t, "web")
	other, _ := inherited(t, "other")
	t.Cleanup(func() { _ = other.Close() })
	all := Inherited{web, more, other}
	_, err := Open(t.Context(), "systemd:wep", all)
	refused(t, err, "GH-2032", `"wep"`, `"web"`, `"other"`)
	f := served(t, config.Server{Listen: "systemd:web"}, nil, func(e *Edge) { e.Inherited = all })
	for _, address := range []string{webAddress, moreAddress} {
		if res, _ := ask(t, f.via(address), "GET", "http://gate.test/"); res.StatusCode != http.StatusOK {
			t.Errorf("got %d on %s, want 200", res.StatusCode, address)
		}
	}
	_, err = Open(t.Context(), "systemd:web", nil)
	refused(t, err, "GH-2032", "none was passed")
	pipe, _, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.Close()
	_, err = Open(t.Context(), "systemd:"+pipe.Name(), Inherited{pipe})
	refused(t, err, "GH-2403")
}

func TestTooManyFromOneAddress(t *testing.T) {
	f, _ := secured(t, config.Server{}, nil, func(e *Edge) { e.MaxPerAddress = 3 })
	var held []net.Conn
	for range 3 {
		c, err := net.Dial("tcp", f.address)
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, c)
	}
	eventually(t, "three connections are held", func() bool { return f.Counts().Open == 3 })
	if _, _, err := tryAsk(t, f.via(f.address), "GET", "https://gate.test/"); err == nil {
		t.Error("got an answer on the fourth, want it closed before TLS")
	}
	if n := f.Counts().CrowdedAddress; n == 0 {
		t.Error("got nothing counted")
	}
	for _, c := range held {
		_ = c.Close()
	}
	eventually(t, "all places are given back", func() bool { return f.Counts().Open == 0 })
	if res, _ := ask(t, f.via(f.address), "GET", "https://gate.test/"); res.StatusCode != http.StatusOK {
		t.Errorf("got %d afterwards, want 200", res.StatusCode)
	}
}

// A proxy on this machine, which ends TLS, brings everybody's connections.
func TestProxyOnThisMachineHasNoPlaces(t *testing.T) {
	f := served(t, config.Server{TLS: config.TLS{TerminatedByProxy: true}}, nil, func(e *Edge) { e.MaxPerAddress = 1 })
	for range 3 {
		c, err := net.Dial("tcp", f.address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	eventually(t, "three connections are held", func() bool { return f.Counts().Open == 3 })
	if res, _ := ask(t, f.via(f.address), "GET", "http://gate.test/"); res.StatusCode != http.StatusOK {
		t.Errorf("got %d, want 200", res.StatusCode)
	}
}

func TestTooManyInAll(t *testing.T) {
	f, _ := secured(t, config.Server{}, nil, func(e *Edge) { e.MaxConns = 2 })
	for range 2 {
		c, err := net.Dial("tcp", f.address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	eventually(t, "two connections are held", func() bool { return f.Counts().Open == 2 })
	if _, _, err := tryAsk(t, f.via(f.address), "GET", "https://gate.test/"); err == nil {
		t.Error("got an answer on the third, want it closed before TLS")
	}
	if f.Counts().Crowded == 0 {
		t.Error("got nothing counted")
	}
}

// IPv6 is counted by what one caller has: a /64.
func TestPlacesOfIPv6(t *testing.T) {
	p := &places{total: 10, perSite: 1}
	at := netip.MustParseAddr
	if !p.takeAt(at("2001:db8::1")) || p.takeAt(at("2001:db8::2:3:4:5")) || !p.takeAt(at("2001:db8:0:1::1")) {
		t.Error("want one place for each /64")
	}
	p.giveAt(at("2001:db8::9"))
	if !p.takeAt(at("2001:db8::1")) || len(p.sites) != 2 {
		t.Error("want the place given back")
	}
}
