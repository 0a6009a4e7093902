package gatehouse_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
)

func TestAPIKeyVerifier(t *testing.T) {
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	text, digest := gatehouse.NewAPIKey()
	expired, expiredDigest := gatehouse.NewAPIKey()
	other, _ := gatehouse.NewAPIKey()
	opaque := "0123456789abcdef0123456789abcdef"
	keys := []gatehouse.APIKey{
		{Digest: digest, Identity: gatehouse.Identity{Scopes: []string{"files:read"}, Expires: now.Add(time.Second)}},
		{Digest: expiredDigest, Identity: gatehouse.Identity{Subject: "ci", Expires: now}},
		{Digest: digestOf(opaque), Identity: gatehouse.Identity{Subject: "old", KeyID: "old-1"}},
		{Digest: digestOf("correct horse battery staple"), Identity: gatehouse.Identity{Subject: "guessable"}},
	}
	find := func(_ context.Context, digest string) (*gatehouse.APIKey, error) {
		for i := range keys {
			if keys[i].Digest == digest {
				return &keys[i], nil
			}
		}
		return nil, nil
	}
	clock := func() time.Time { return now }
	id := text[5:17]
	tests := []struct {
		name, scheme, text string
		want               string // subject, or the code of the refusal, or "not mine"
	}{
		{"a key", "", text, "key:" + id},
		{"a key as Bearer", "Bearer", text, "key:" + id},
		{"a key as DPoP", "DPoP", text, "not mine"},
		{"a key that has expired", "", expired, "GH-1011"},
		{"a key of nobody", "", other, "GH-1011"},
		{"a key that was cut", "", text[:60], "GH-1010"},
		{"another form", "", opaque, "old"},
		{"another form in another case", "", strings.ToUpper(opaque), "not mine"},
		{"another form, cut", "", opaque[:31], "not mine"},
		{"a digest in place of its key", "", digest, "not mine"},
		{"one that can be guessed", "", "correct horse battery staple", "not mine"},
		{"nothing", "", "", "not mine"},
	}
	for how, v := range map[string]*gatehouse.APIKeyVerifier{"Keys": {Keys: keys, Now: clock}, "Lookup": {Lookup: find, Now: clock}} {
		for _, tt := range tests {
			got, err := v.Verify(t.Context(), &gatehouse.Credential{Scheme: tt.scheme, Text: tt.text})
			if said := verdict(got, err); said != tt.want {
				t.Errorf("%s, %s: got %s, want %s", how, tt.name, said, tt.want)
			}
			if err != nil && len(tt.text) > 30 && strings.Contains(err.Error(), tt.text[20:30]) {
				t.Errorf("%s: the error has a piece of the key: %v", tt.name, err)
			}
		}
		got, err := v.Verify(t.Context(), &gatehouse.Credential{Text: text})
		if err != nil || got.KeyID != id || len(got.Scopes) != 1 {
			t.Errorf("%s: got %+v, %v", how, got, err)
		}
	}
}

func digestOf(text string) string { return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(text))) }

// verdict is what a verifier said, in a word.
func verdict(id *gatehouse.Identity, err error) string {
	var e *gatehouse.Error
	switch {
	case err == nil && id != nil:
		return id.Subject
	case id != nil:
		return "an identity beside an error"
	case errors.Is(err, gatehouse.ErrNotMine):
		return "not mine"
	case errors.As(err, &e):
		return e.Code
	}
	return "an error"
}

// A search that finds something else lets nobody in.
func TestAPIKeyLookupIsNotTrusted(t *testing.T) {
	text, digest := gatehouse.NewAPIKey()
	_, another := gatehouse.NewAPIKey()
	for name, tt := range map[string]struct {
		key  *gatehouse.APIKey
		err  error
		want string
	}{
		"another key":               {&gatehouse.APIKey{Digest: another}, nil, "GH-1011"},
		"a key without digest":      {&gatehouse.APIKey{}, nil, "GH-1902"},
		"none":                      {nil, nil, "GH-1011"},
		"an error":                  {nil, errors.New("away"), "GH-1902"},
		"an error beside the key":   {&gatehouse.APIKey{Digest: digest}, errors.New("away"), "GH-1902"},
		"an error that is not mine": {nil, gatehouse.ErrNotMine, "not mine"},
		"the key":                   {&gatehouse.APIKey{Digest: strings.ToUpper(digest[7:])}, nil, "GH-1902"},
	} {
		v := &gatehouse.APIKeyVerifier{Lookup: func(context.Context, string) (*gatehouse.APIKey, error) { return tt.key, tt.err }}
		if got := verdict(v.Verify(t.Context(), &gatehouse.Credential{Text: text})); got != tt.want {
			t.Errorf("%s: got %s, want %s", name, got, tt.want)
		}
	}
}

func TestAPIKeyVerifierCheck(t *testing.T) {
	_, digest := gatehouse.NewAPIKey()
	find := func(context.Context, string) (*gatehouse.APIKey, error) { return nil, nil }
	for want, v := range map[string]*gatehouse.APIKeyVerifier{
		"Keys: no key":             {},
		"Lookup: give either":      {Keys: []gatehouse.APIKey{{Digest: digest}}, Lookup: find},
		"Keys[1].Digest: it is":    {Keys: []gatehouse.APIKey{{Digest: digest}, {Digest: digest}}},
		"Keys[0].Digest: want":     {Keys: []gatehouse.APIKey{{Digest: digest[7:]}}},
		"Keys[0].Digest: that is":  {Keys: []gatehouse.APIKey{{Digest: digestOf("")}}},
		"Keys[0].Digest: want \"s": {Keys: []gatehouse.APIKey{{Digest: "sha256:" + strings.Repeat("g", 64)}}},
	} {
		if err := v.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q in it", err, want)
		}
		if got := verdict(v.Verify(t.Context(), &gatehouse.Credential{Text: strings.Repeat("a", 40)})); got != "an error" {
			t.Errorf("%s: got %s from what will not do", want, got)
		}
	}
}

func TestAnyOf(t *testing.T) {
	asked := []string{}
	v := func(name string, id *gatehouse.Identity, err error) gatehouse.Verifier {
		return says(func(context.Context, *gatehouse.Credential) (*gatehouse.Identity, error) {
			asked = append(asked, name)
			return id, err
		})
	}
	story := errors.Join(gatehouse.ErrNotMine, gatehouse.Refuse("GH-1103", "Another issuer.", nil))
	pass, yes := v("pass", nil, gatehouse.ErrNotMine), v("yes", ada, nil)
	refuse, fail := v("refuse", nil, gatehouse.Refuse("GH-1104", "", nil)), v("fail", nil, errors.New("away"))
	for _, tt := range []struct {
		name string
		of   []gatehouse.Verifier
		want string
		n    int // how many were asked
	}{
		{"the second takes it", []gatehouse.Verifier{pass, yes, refuse}, "ada", 2},
		{"a refusal is final", []gatehouse.Verifier{refuse, yes}, "GH-1104", 1},
		{"so is a failure", []gatehouse.Verifier{fail, yes}, "an error", 1},
		{"none takes it", []gatehouse.Verifier{pass, pass}, "not mine", 2},
		{"of one another", []gatehouse.Verifier{gatehouse.AnyOf(pass, pass), yes}, "ada", 3},
		{"the story of one", []gatehouse.Verifier{v("story", nil, story), pass}, "not mine", 2},
	} {
		asked = asked[:0]
		id, err := gatehouse.AnyOf(tt.of...).Verify(t.Context(), &gatehouse.Credential{Text: "x"})
		if got := verdict(id, err); got != tt.want || len(asked) != tt.n {
			t.Errorf("%s: got %s of %v, want %s", tt.name, got, asked, tt.want)
		}
		var e *gatehouse.Error
		if tt.name == "the story of one" && (!errors.As(err, &e) || e.Code != "GH-1103") {
			t.Errorf("got %v, want the story", err)
		}
	}
}
