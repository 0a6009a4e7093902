package proxy

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func from(t *testing.T, vars map[string]string) *Settings {
	t.Helper()
	s := FromEnvironment(func(name string) string { return vars[name] })
	if err := s.Wrong(); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestWhichProxyLeadsWhere(t *testing.T) {
	tests := []struct {
		name     string
		vars     map[string]string
		to, want string // want "": none
	}{
		{"nothing set", nil, "https://a.example/", ""},
		{"https", map[string]string{"HTTPS_PROXY": "http://p:1"}, "https://a.example/", "http://p:1"},
		{"https, and the URL is http", map[string]string{"HTTPS_PROXY": "http://p:1"}, "http://a.example/", ""},
		{"http", map[string]string{"HTTP_PROXY": "http://p:1"}, "http://a.example/", "http://p:1"},
		{"all, for both", map[string]string{"ALL_PROXY": "socks5h://p:1"}, "https://a.example/", "socks5h://p:1"},
		{"all, for both", map[string]string{"all_proxy": "socks5://p:1"}, "http://a.example/", "socks5://p:1"},
		{"one of its own before all", map[string]string{"ALL_PROXY": "http://all:1", "HTTPS_PROXY": "http://p:1"}, "https://a.example/", "http://p:1"},
		{"small letters before capital ones", map[string]string{"HTTPS_PROXY": "http://no:1", "https_proxy": "http://p:1"}, "https://a.example/", "http://p:1"},
		{"as GNOME sets it", map[string]string{"all_proxy": "socks://p:1/"}, "https://a.example/", "socks5://p:1"},
		{"without a scheme", map[string]string{"HTTPS_PROXY": "p:1"}, "https://a.example/", "http://p:1"},
		{"with a user", map[string]string{"HTTPS_PROXY": "u:p%40ss@p:1"}, "https://a.example/", "http://u:p%40ss@p:1"},
		{"with a slash", map[string]string{"HTTPS_PROXY": "http://p:1/"}, "https://a.example/", "http://p:1"},
		{"blanks only", map[string]string{"HTTPS_PROXY": " "}, "https://a.example/", ""},
		{"excepted", map[string]string{"HTTPS_PROXY": "p:1", "NO_PROXY": "b.example, a.example"}, "https://a.example/", ""},
		{"below what is excepted", map[string]string{"HTTPS_PROXY": "p:1", "no_proxy": ".example"}, "https://x.a.example/", ""},
		{"in a network that is excepted", map[string]string{"HTTPS_PROXY": "p:1", "NO_PROXY": "10.0.0.0/8"}, "https://10.1.2.3/", ""},
		{"everything excepted", map[string]string{"HTTPS_PROXY": "p:1", "NO_PROXY": "*"}, "https://a.example/", ""},
		{"this machine", map[string]string{"ALL_PROXY": "p:1"}, "http://localhost:8080/", ""},
		{"this machine, large", map[string]string{"ALL_PROXY": "p:1"}, "http://LocalHost:8080/", ""},
		{"this machine by number", map[string]string{"ALL_PROXY": "p:1"}, "http://127.3.2.1:8080/", ""},
		{"this machine by number of IPv6", map[string]string{"ALL_PROXY": "p:1"}, "https://[::1]:8080/", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			u, err := url.Parse(tt.to)
			if err != nil {
				t.Fatal(err)
			}
			got, err := from(t, tt.vars).For(u)
			if err != nil || got == nil && tt.want != "" || got != nil && got.String() != tt.want {
				t.Errorf("got %v, %v, want %q", got, err, tt.want)
			}
		})
	}
}

const password = "s3cr3t"

func TestWhatIsNoProxyIsRefusedWithoutItsText(t *testing.T) {
	for _, text := range []string{
		"ftp://u:" + password + "@p:1", "://" + password, "http://", "http://u:" + password + "@", "http://u:" + password + "@p:port", "u:12/" + password + "@p:1", "http://u:1?" + password + "@p",
		"http://u:1#" + password + "@p", "http://p:1/" + password, "http://p:1?" + password, "\x00" + password, "http://u:%zz" + password + "@p:1",
	} {
		s := FromEnvironment(func(name string) string {
			return map[string]string{"HTTPS_PROXY": text, "HTTP_PROXY": "http://p:1", "NO_PROXY": "b.example"}[name]
		})
		for to, fails := range map[string]bool{"https://a.example/": true, "https://b.example/": false, "https://localhost/": false, "https://127.0.0.1:1/": false, "http://a.example/": false} {
			u, err := url.Parse(to)
			if err != nil {
				t.Fatal(err)
			}
			via, err := s.For(u)
			var of *VariableError
			if errors.As(err, &of) != fails || fails && via != nil {
				t.Errorf("%q: got %v, %v for %s", text, via, err, to)
			} else if fails && (strings.Contains(err.Error(), password) || !strings.HasPrefix(err.Error(), "HTTPS_PROXY ") || !Of(err).Final()) {
				t.Errorf("%q: the error is %q", text, err)
			}
			if !fails {
				continue
			}
			_, err = (&http.Client{Transport: s.Transport(&http.Transport{}, 0)}).Get(to)
			if e := Of(err); e == nil || strings.Contains(err.Error(), password) || !errors.As(err, &of) {
				t.Errorf("%q: got %v", text, err)
			}
		}
		if s.Wrong() == nil {
			t.Errorf("%q is taken for a proxy", text)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"p:1", "http://u:p@p:1", "socks5h://[::1]:1", "u:12/x@p", "http://a@b@c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		u := parse(text)
		if u == nil {
			return
		}
		again := parse(u.String())
		if again == nil || again.Host != u.Host || u.Path != "" || strings.ContainsAny(u.Host, "@/?#") {
			t.Errorf("%q is read as %q and then as %v", text, u, again)
		}
	})
}
