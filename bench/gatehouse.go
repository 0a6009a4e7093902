package main

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/url"
	"os/exec"
	"time"
)

// perKey is how many streams are opened with one key: Gatehouse bounds them.
const perKey = 1000

// gatehouse starts Gatehouse, again with the same keys on the same state.
type gatehouse struct {
	tools string // what the keys may call; empty: everything
	keys  []string
}

// start starts Gatehouse as scripts do. The first start on a state makes keys.
func (g *gatehouse) start(y *yard, dir string) (*target, error) {
	p, err := start(y.ctx, y.dir, y.proxies, y.binary,
		"up", "--json", "--listen", "127.0.0.1:0", "--state", dir, "http://"+y.echo+"/mcp")
	if err != nil {
		return nil, err
	}
	t := &target{programs: []*program{p}}
	if err := g.ready(y, dir, t); err != nil {
		t.stop()
		return nil, fmt.Errorf("gatehouse up: %w", err)
	}
	return t, nil
}

// ready waits for the line that Gatehouse prints once it serves.
func (g *gatehouse) ready(y *yard, dir string, t *target) error {
	line, err := t.programs[0].line(20 * time.Second)
	if err != nil {
		return err
	}
	var ready struct {
		URL string  `json:"url"`
		Key *string `json:"key"`
	}
	if err := json.Unmarshal([]byte(line), &ready); err != nil {
		return fmt.Errorf("%q: %w", line, err)
	}
	u, err := url.Parse(ready.URL)
	if err != nil {
		return err
	}
	t.address = u.Host
	if ready.Key != nil {
		if g.keys, err = g.create(y, dir, *ready.Key); err != nil {
			return err
		}
	}
	t.keys = g.keys
	return nil
}

// create makes keys for all the streams that will be opened.
func (g *gatehouse) create(y *yard, dir, first string) ([]string, error) {
	var keys []string
	if g.tools == "" {
		keys = append(keys, first)
	}
	for n := 0; n == 0 || len(keys) < (y.streams+perKey-1)/perKey; n++ {
		args := []string{"key", "create", "--json", "--state", dir, "--name", fmt.Sprintf("bench-%d", n)}
		if g.tools != "" {
			args = append(args, "--tools", g.tools)
		}
		out, err := exec.CommandContext(y.ctx, y.binary, args...).Output()
		if err != nil {
			return nil, fmt.Errorf("%q: %w", args, err)
		}
		var made struct {
			Key string `json:"key"`
		}
		if err := json.Unmarshal(out, &made); err != nil {
			return nil, fmt.Errorf("%q printed %q: %w", args, out, err)
		}
		keys = append(keys, made.Key)
	}
	return keys, nil
}

// newToken returns a JWT signed with RS256, good for a day, and the key to
// verify it with.
func newToken(now time.Time) (token string, public []byte, err error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return "", nil, err
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return "", nil, err
	}
	b64 := base64.RawURLEncoding.EncodeToString
	claims := fmt.Sprintf(`{"iss":"https://issuer.example","sub":"bench","aud":"https://mcp.example/mcp","exp":%d}`, now.Add(24*time.Hour).Unix())
	text := b64([]byte(`{"alg":"RS256","typ":"at+jwt","kid":"1"}`)) + "." + b64([]byte(claims))
	sum := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		return "", nil, err
	}
	return text + "." + b64(signature), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), nil
}
