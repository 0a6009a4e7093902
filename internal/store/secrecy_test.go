package store_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/apikey"
)

// The text of a key exists where it was minted and nowhere else: not in the
// database, its log or its backup, not in what is printed, logged or refused.
func TestA168KeysAreNowhere(t *testing.T) {
	for _, pepper := range []string{"", "a pepper of a good length"} {
		path := newPath(t)
		d := openSQLite(t, path)
		s, def := service(t, d)
		s.Pepper = []byte(pepper)
		ctx := t.Context()
		var out bytes.Buffer
		v := &apikey.Verifier{Source: d.Source(), Pepper: s.Pepper, Log: slog.New(slog.NewJSONHandler(&out, nil))}

		k, text, err := s.Create(ctx, def, apikey.Spec{Name: "canary", Tools: []string{"*"}})
		if err != nil {
			t.Fatal(err)
		}
		_, _, next, err := s.Rotate(ctx, def, k.ID, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range []apikey.Secret{text, next} {
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%p", "%08.3f", "%U"} {
				inside := struct{ k any }{struct{ hidden apikey.Secret }{secret}}
				fmt.Fprintf(&out, strings.Repeat(verb+"\n", 5), secret, &secret, []any{secret}, inside, &inside)
			}
			slog.New(slog.NewJSONHandler(&out, nil)).Info("a", "key", secret, "in", struct{ K apikey.Secret }{secret})
			slog.New(slog.NewTextHandler(&out, nil)).Info("a", "key", secret, "ptr", &secret)
			if err := json.NewEncoder(&out).Encode(map[string]any{"key": secret, "ptr": &secret}); err != nil {
				t.Fatal(err)
			}
		}
		whole := text.Reveal()
		if _, err := v.Verify(ctx, &gatehouse.Credential{Text: next.Reveal()}); err != nil {
			t.Fatal(err)
		}
		for _, wrong := range []string{whole, whole[:66], whole + "x", strings.ToLower(whole), whole + whole} {
			a, err := v.Verify(ctx, &gatehouse.Credential{Text: wrong})
			if a != nil || err == nil {
				t.Errorf("got %v, %v, want a refusal", a, err)
			}
			fmt.Fprintf(&out, "%v %+v %v\n", err, err, refusal(err).Unwrap())
		}
		_, err = s.Import(ctx, def, apikey.Foreign{Text: whole}, apikey.Spec{Name: "again"})
		fmt.Fprintf(&out, "%v %v\n", err, refusal(err))
		if err := d.Backup(ctx, filepath.Join(filepath.Dir(path), "copy.db")); err != nil {
			t.Fatal(err)
		}
		files, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*"))
		if err != nil || len(files) < 4 {
			t.Fatalf("got files %v, %v", files, err)
		}
		for _, f := range files {
			data, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			wantNoCanary(t, filepath.Base(f), data, whole, next.Reveal(), pepper)
		}
		wantNoCanary(t, "output", out.Bytes(), whole, next.Reveal(), pepper)
	}
}

// wantNoCanary looks for the secret part of keys, and pieces of it.
func wantNoCanary(t *testing.T, where string, data []byte, keys ...string) {
	t.Helper()
	for _, k := range keys {
		if len(k) == 67 {
			k = k[len("gthk_")+13:]
		}
		for i := 0; i+16 <= len(k); i++ {
			piece := []byte(k[i : i+16])
			if bytes.Contains(data, piece) || bytes.Contains(data, fmt.Appendf(nil, "%x", piece)) {
				t.Errorf("%s holds %q", where, piece)
				return
			}
		}
	}
}
