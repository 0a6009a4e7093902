package keytext_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/keytext"
)

func TestSecretsAreReadAsTheyWereWritten(t *testing.T) {
	most := [32]byte{}
	for i := range most {
		most[i] = 0xff
	}
	for name, secret := range map[string][32]byte{"random": keytext.NewSecret(), "nothing": {}, "one": {31: 1}, "the most": most} {
		id := keytext.NewID()
		text := keytext.Compose(keytext.Refresh, id, secret)
		gotID, got, err := keytext.Read(keytext.Refresh, text)
		if err != nil || gotID != id || got != secret {
			t.Errorf("%s: got %s, %x, %v from %s", name, gotID, got, err, text)
		}
		if _, _, err := keytext.Read(keytext.Code, text); !errors.Is(err, keytext.ErrMalformed) {
			t.Errorf("%s: got %v, want no code", name, err)
		}
	}
}

// What Mint and Parse make of an API key is the same form.
func TestSecretsAreWrittenAsKeysAre(t *testing.T) {
	id, text, err := keytext.Mint(nil)
	if err != nil {
		t.Fatal(err)
	}
	gotID, secret, err := keytext.Read(keytext.APIKey, text)
	if err != nil || gotID != id || keytext.Compose(keytext.APIKey, id, secret) != text {
		t.Errorf("got %s, %v", gotID, err)
	}
	if _, err := keytext.Parse(keytext.Compose(keytext.APIKey, id, keytext.NewSecret())); err != nil {
		t.Error(err)
	}
}

func TestA045SecretsThatWereChangedAreNone(t *testing.T) {
	text := keytext.Compose(keytext.Code, keytext.NewID(), keytext.NewSecret())
	var cases []string
	for i := range text {
		cases = append(cases, text[:i], text[:i]+string(text[i]^1)+text[i+1:], text[:i]+"/"+text[i+1:])
	}
	cases = append(cases, text+"A", " "+text, text+"=", strings.ToLower(text), strings.ToUpper(text), "gthc_"+text)
	for _, c := range cases {
		if _, _, err := keytext.Read(keytext.Code, c); !errors.Is(err, keytext.ErrMalformed) {
			t.Errorf("%q: got %v", c, err)
		} else if len(c) > 20 && strings.Contains(err.Error(), c[10:]) {
			t.Errorf("the error holds the text: %v", err)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(keytext.Compose(keytext.Refresh, "000000000000", [32]byte{}))
	f.Add("gthr_7Qm2Vx9KtB4c_zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz000000")
	f.Fuzz(func(t *testing.T, text string) {
		id, secret, err := keytext.Read(keytext.Refresh, text)
		if err == nil && keytext.Compose(keytext.Refresh, id, secret) != text {
			t.Errorf("%q has another text too", text)
		}
	})
}

func BenchmarkCompose(b *testing.B) {
	s := keytext.NewSecret()
	for b.Loop() {
		keytext.Compose(keytext.Refresh, "000000000000", s)
	}
}
