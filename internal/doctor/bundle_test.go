package doctor

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
)

// planted are secrets of every kind that a machine may have, by what they are.
// Those with a name around them stand in the log and the trail as they would there.
func planted(t *testing.T) map[string]string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	opaque := func() string { return rand.Text() + strings.ToLower(rand.Text()) }
	encoded := base64.RawURLEncoding.EncodeToString
	return map[string]string{
		"api key":          "gthk_7Qm2Vx9KtB4c_" + opaque()[:49],
		"refresh token":    "gthr_7Qm2Vx9KtB4c_" + opaque()[:49],
		"jwt":              encoded([]byte(`{"alg":"ES256","typ":"at+jwt"}`)) + "." + encoded([]byte(`{"sub":"ada"}`)) + "." + opaque(),
		"pem":              string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
		"password":         "Tr0ub4dor and 3 words",
		"database url":     "postgres://gate:db-p4ss/w0rd@db.internal/gatehouse",
		"client secret":    "cs." + opaque(),
		"cookie":           "__Host-session=" + opaque(),
		"basic":            "Basic " + base64.StdEncoding.EncodeToString([]byte("client:plainpw1")),
		"opaque bearer":    "Bearer " + opaque(),
		"aws key":          "AKIA" + "IOSFODNN7EXAMPLE",
		"totp secret":      "JBSWY3DPEHPK3PXP",
		"code in a query":  "https://app.example/cb?code=c0de-" + opaque()[:9] + "&state=st4te",
		"master key":       base64.StdEncoding.EncodeToString([]byte(opaque())),
		"hex":              "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
		"argument":         "hunter22secret",
		"child's variable": "plain-child-value",
	}
}

// fragments are what must not be seen of a secret: itself, its lines, its forms.
func fragments(secret string) []string {
	all := []string{secret, url.QueryEscape(secret), base64.StdEncoding.EncodeToString([]byte(secret))}
	for _, line := range strings.Split(secret, "\n") {
		if !strings.HasPrefix(line, "-----") && len(line) > 8 {
			all = append(all, line)
		}
	}
	return all
}

// hoard is the material of a machine where secrets are everywhere.
func hoard(t *testing.T, secrets map[string]string) *Material {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "client"), secrets["client secret"], 0o600)
	file := write(t, filepath.Join(dir, "gatehouse.yaml"), `version: 1
server: {listen: "127.0.0.1:8443"}
servers:
  - {name: notes, path: /notes, url: "http://127.0.0.1:3000/mcp", forward: {authorization: "Bearer ${UPSTREAM}"}}
  - {name: files, stdio: {command: [files-server, --pass, hunter22secret], env: {SETTING: plain-child-value, DB: "${DB}"}}}
auth:
  api_keys: {pepper: "${PEPPER}"}
  issuers: [{preset: oidc, issuer: "https://idp.example", clients: any, introspection: {url: "https://idp.example/i", client_id: me, client_secret: "${file:client}"}}]
policy: {default: allow}
store: {encryption_key: "${MASTER}"}
`, 0o600)
	environ := []string{"PEPPER=" + secrets["password"] + " that is long enough", "DB=" + secrets["database url"], "MASTER=" + secrets["master key"], "UPSTREAM=" + secrets["jwt"],
		"MY_PASSWORD=" + secrets["password"], "GATEHOUSE_KEY_PEPPER=" + secrets["hex"]}
	c, err := config.Load(file, config.Outside{Lookup: func(name string) (string, bool) {
		for _, kv := range environ {
			if v, ok := strings.CutPrefix(kv, name+"="); ok {
				return v, true
			}
		}
		return "", false
	}})
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	var events [][]byte
	for kind, secret := range secrets {
		text := "it came with " + secret + " as its " + kind
		switch kind {
		case "argument", "child's variable", "password": // nobody could tell them from words: they are known, or have a name
			text = "password=" + `"` + secret + `"`
		case "cookie":
			text = "Cookie: a=b; " + secret
		}
		log.WriteString(text + "\n")
		line, err := json.Marshal(map[string]string{"msg": text, "client_secret": secret})
		if err != nil {
			t.Fatal(err)
		}
		log.Write(append(line, '\n'))
		event, err := json.Marshal(map[string]any{
			"time": "2026-11-27T10:00:00.000000Z", "kind": "auth_failed", "request": "01JD8R7Q4M", "reason": text + " of ada@acme.com from 198.51.100.7", "by": "Ada Lovelace", "subject": "ada@acme.com",
			"address": "198.51.100.7", "key_name": "ada-laptop", "tenant": "acme-corp", "args": map[string]string{"q": secret}, "detail": map[string]string{"x": secret}, "new_member": secret, "code": "GH-1104", "rules": []string{text},
		})
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, event)
	}
	return &Material{
		Report: &Report{Lines: []Line{{Group: "x", Text: "it has " + secrets["api key"] + " and " + secrets["jwt"]}}}, Text: "x " + secrets["opaque bearer"],
		Settings: c.Settings(), Secrets: c.Hidden(), Environ: environ, Events: append(events, []byte("damaged "+secrets["jwt"])), Log: log.Bytes(),
		Status: &adminapi.Status{Problems: []string{"GH-2302 said " + secrets["basic"]}}, At: time.Unix(1, 0), Names: []string{"ada-laptop.local"},
	}
}

// unpack returns everything in an archive as one text, and its files.
func unpack(t *testing.T, b *Bundle) (string, map[string]string) {
	t.Helper()
	var packed bytes.Buffer
	if err := b.Write(&packed); err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(&packed)
	if err != nil {
		t.Fatal(err)
	}
	files, all := map[string]string{}, ""
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err == io.EOF { //nolint:errorlint // it is returned as it is
			return all, files
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if h.Mode != 0o600 {
			t.Errorf("%s has mode %o", h.Name, h.Mode)
		}
		files[strings.TrimPrefix(h.Name, "gatehouse-support/")] = string(text)
		all += string(text)
	}
}

func TestNoSecretGetsIntoAnArchive(t *testing.T) {
	secrets := planted(t)
	b, err := Pack(hoard(t, secrets))
	if err != nil {
		t.Fatal(err)
	}
	all, files := unpack(t, b)
	for kind, secret := range secrets {
		for _, f := range fragments(secret) {
			if strings.Contains(all, f) {
				for name, text := range files {
					if i := strings.Index(text, f); i >= 0 {
						t.Errorf("the %s is in %s: …%.200s", kind, name, text[max(0, i-60):])
					}
				}
			}
		}
	}
	for _, piece := range []string{"db-p4ss", "w0rd", "plainpw1", "st4te", "3 words", "that is long"} {
		if strings.Contains(all, piece) {
			t.Errorf("%q, a piece of a secret, is in it", piece)
		}
	}
	for _, name := range []string{"ada@acme.com", "198.51.100.7", "Lovelace", "ada-laptop", "acme-corp"} {
		if strings.Contains(all, name) {
			t.Errorf("%q, which names somebody, is in it", name)
		}
	}
	for name, want := range map[string]string{
		"audit.jsonl": `"code":"GH-1104"`, "configuration.json": "policy.default", "status.json": "GH-2302", "doctor.json": `"group": "x"`, "environment.json": "GATEHOUSE_KEY_PEPPER",
	} {
		if !strings.Contains(files[name], want) {
			t.Errorf("%s has lost %s:\n%.2000s", name, want, files[name])
		}
	}
	if e := files["audit.jsonl"]; !strings.Contains(e, `"subject":"person-`) || !strings.Contains(e, `"request":"01JD8R7Q4M"`) || strings.Contains(e, "new_member") {
		t.Errorf("events are not reduced as they should be: %.500s", e)
	}
	for _, want := range []Removal{
		{File: "configuration.json", Place: "store.encryption_key", What: "secret", Count: 1}, {File: "audit.jsonl", Place: "args", What: "left out", Count: len(secrets)},
	} {
		if !strings.Contains(asJSON(t, b.Removed), asJSON(t, want)) {
			t.Errorf("it is not said that %+v was removed: %s", want, asJSON(t, b.Removed))
		}
	}
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestALogKeepsWhatHelpsAndNamesNobody is about lines of our own log.
func TestALogKeepsWhatHelpsAndNamesNobody(t *testing.T) {
	b, err := Pack(&Material{Report: &Report{}, Log: []byte(`{"msg":"user created","by":"root","user":"usr_PLJWDAGRPQLPSLALDGEWOLVPCU","username":"ada","request":"WT56X5OZFPWD2CCV"}
{"request_id":"EJNFIRAHQQXRBDGMSJ6G3A4MKD","note":"WT56X5OZFPWD2CCV","request":"gthk_7Qm2Vx9KtB4c_EXAMPLEonlyNotARealSecret00000000000000000034rOtU"}`)})
	if err != nil {
		t.Fatal(err)
	}
	_, files := unpack(t, b)
	log := files["log.txt"]
	for _, bad := range []string{"ada", "usr_", "root", "gthk_", `"note":"WT56`} {
		if strings.Contains(log, bad) {
			t.Errorf("%q is in %s", bad, log)
		}
	}
	for _, want := range []string{`"request":"WT56X5OZFPWD2CCV"`, `"request_id":"EJNFIRAHQQXRBDGMSJ6G3A4MKD"`, "user created"} {
		if !strings.Contains(log, want) {
			t.Errorf("%s is not in %s", want, log)
		}
	}
}

// TestALogOfAJournalNamesNobody has what a journal and a terminal make of our log.
func TestALogOfAJournalNamesNobody(t *testing.T) {
	for _, line := range []string{
		`Nov 27 10:00:00 box gatehouse[812]: {"msg":"user created","by":"MARK","user":"MARK","request":"WT56X5OZFPWD2CCV"}`,
		`time=2026-11-27T10:00:00.000Z level=INFO msg="user created" by=MARK user=MARK request=WT56X5OZFPWD2CCV`,
		`Nov 27 10:00:00 box gatehouse[812]: level=INFO msg="user created" by="MARK \" MARK" caller.subject=MARK email=MARK request=WT56X5OZFPWD2CCV note="{"`,
		`user=MARK {"msg":"user created","username":"MARK","sub":"MARK","request_id":"WT56X5OZFPWD2CCV"}`,
		`username=MARK sub=MARK msg="user created" request_id=WT56X5OZFPWD2CCV token=MARK`,
	} {
		s := newScrubber(nil, nil)
		got := s.lines(line)
		if strings.Contains(got, "MARK") || !strings.Contains(got, "‹person›") || !strings.Contains(got, "WT56X5OZFPWD2CCV") || !strings.Contains(got, "user created") {
			t.Errorf("got %s", got)
		}
	}
	for _, line := range []string{"request=gthk_7Qm2Vx9KtB4c_EXAMPLEonlyNotARealSecret", "request=WT56X5OZFPWD2CCVab0123cdEFghIJkl", `msg="{WT56X5OZFPWD2CCV" x={`,
		"Cookie: a=b; user=ada; c=MARK", `Cookie: a={"b":"MARK"}`, "Cookie: a=b, request=WT56X5OZFPWD2CCV MARK"} {
		if got := newScrubber(nil, nil).lines(line); !strings.Contains(got, Gone) || strings.Contains(got, "MARK") {
			t.Errorf("got %s", got)
		}
	}
}

// TestEachKindIsSeenByItself has for each pattern what no other would see.
func TestEachKindIsSeenByItself(t *testing.T) {
	for what, text := range map[string]string{
		"PEM block": "-----BEGIN KEY-----\nMARK me\n-----END KEY-----", "PEM block that is cut": "-----BEGIN KEY-----\nMARK me",
		"password in a URL": "to x://a:MARK@host", "header": "Cookie: a=b; c=MARK", "header in JSON": `"X-Api-Key":"MARK"`, "credential": "came as Basic MARKab",
		"gatehouse key": "gthk_MARK", "token": "eyJhbGciOi.MARK.", "key of another service": "ghp_MARKabcdefgh", "query": "https://h/p?state=MARK",
		"named secret": "DB_PASSWORD=MARK", "named secret in JSON": `{"client_secret": "a \"MARK"}`, "named secret, escaped": `"{\"pwd\":\"MARK\"}"`, "person": "MARK@acme.com",
		"mixed": "MARKab0123cdEFghIJkl", "hex": "MARK9f86d081884c7d659a2feaa0c55ad015"[4:], "hex as a UUID": "9f86d081-884c-7d65-9a2f-eaa0c55ad015", "base32": "MARK2345ABCD67XY",
		"lower case": "abcdefgh12345678ijklmnop", "base64": "MARKabcdefghijABCDEFGHIJ+klmnopqrstuvwxyz=", "base64 with a slash": "MARKab01/cdEF23gh/IJklmn", "in a path": "/x/MARKab0123cdEFghIJkl/y",
	} {
		s := newScrubber(nil, nil)
		if got := s.text("", text); strings.Contains(got, "MARK") || !strings.Contains(text, "MARK") && got != Gone || len(s.removals) == 0 {
			t.Errorf("%s: got %q of %q", what, got, text)
		}
	}
}

// TestTheGuideHasEveryGroup holds the table of the guide to the checks.
func TestTheGuideHasEveryGroup(t *testing.T) {
	page, err := os.ReadFile("../../docs/how-to/doctor.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range Groups() {
		if !strings.Contains(string(page), "| `"+g+"` |") {
			t.Errorf("docs/how-to/doctor.md has no row for %s", g)
		}
	}
}

func TestWhatIsNoSecretStays(t *testing.T) {
	s := newScrubber([]string{"hunter22secret"}, nil)
	for _, text := range []string{
		"/var/lib/gatehouse/state/gatehouse.db opens: schema 10, 693 KiB", "https://mcp.acme.com/.well-known/oauth-authorization-server answers 404",
		"GH-2301 127.0.0.1:8443 is in use by \"node server.js\" (pid 812)", "2026-11-27T10:00:00.000000Z", "configuration 26cb519e", "tools/call delete_customer_by_identifier",
		"store.encryption_key of the file", "auth.embedded.refresh_token_ttl",
	} {
		if got := s.text("", text); got != text {
			t.Errorf("got %q, want %q", got, text)
		}
	}
}

func FuzzScrub(f *testing.F) {
	f.Add("it has ", "hunter22secret", " in it")
	f.Add("password=", "a b\"c\\d", "")
	f.Add(`{"a":"`, "x\ny", `"}`)
	f.Add("-----BEGIN X", "-----END", "://@")
	f.Fuzz(func(t *testing.T, before, secret, after string) {
		const long = 12
		if len(secret) < long || strings.Contains(Gone+"‹address›", secret) || strings.TrimSpace(secret) != secret {
			return
		}
		s := newScrubber([]string{secret}, nil)
		if got := s.text("", before+secret+after); strings.Contains(got, secret) {
			t.Errorf("%q is still in %q", secret, got)
		}
		if got := s.lines(before + secret + after); strings.Contains(got, secret) {
			t.Errorf("%q is still in the lines %q", secret, got)
		}
		_ = newReducer(s).events([][]byte{[]byte(before + secret + after)})
		if _, err := json.Marshal(s.value("", map[string]any{before: secret, "a": []any{after}})); err != nil {
			t.Error(err)
		}
	})
}
