package signing_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/seal"
	"github.com/gatehouse-mcp/gatehouse/internal/signing"
)

// With another key to seal under nothing is signed, and no other key is made in silence.
func TestA218WrongMasterKeyIsRefused(t *testing.T) {
	i := install(t)
	i.opened()
	before, err := i.db.Signing().Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	k := i.replica()
	k.Seal = derive(t, "quite another key material, also long")
	if err := k.Open(t.Context()); !errors.Is(err, seal.ErrForeign) {
		t.Errorf("got %v, want ErrForeign", err)
	}
	if token, err := k.Sign(t.Context(), "x", 1); err == nil {
		t.Errorf("got %s, want nothing signed", token)
	}
	after, err := i.db.Signing().Load(t.Context())
	if err != nil || after.Generation != before.Generation {
		t.Errorf("got %+v, %v, want the keys as they were", after, err)
	}
}

func TestA218MasterKeyRotation(t *testing.T) {
	i := install(t)
	old := sign(t, i.opened())
	next := derive(t, "the next key material, as long as that")
	i.seal = next.After(i.seal)
	k := i.opened()
	if kid(t, sign(t, k)) != kid(t, old) || accepts(published(t, k), old) != nil {
		t.Error("the signing key changed with the key that it is sealed under")
	}
	i.seal = next // the old one is forgotten
	if err := accepts(published(t, i.opened()), old); err != nil {
		t.Errorf("got %v, want everything sealed anew", err)
	}
}

// Whoever can write to the database cannot have a key of their own published,
// nor one exchanged for another.
func TestA218RowsOfOthersAreRefused(t *testing.T) {
	i := install(t)
	i.opened()
	set, err := i.db.Signing().Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	good := set.Records[0]
	foreign := install(t)
	foreign.seal = derive(t, "the key material of somebody else's")
	foreign.opened()
	theirs, err := foreign.db.Signing().Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]signing.Record{
		"a key of theirs":       theirs.Records[0],
		"ours under their name": {ID: "other", Alg: good.Alg, Sealed: good.Sealed, Created: good.Created, Signs: good.Signs},
		"no private half":       {ID: "plain", Alg: good.Alg, Sealed: "{}", Created: good.Created, Signs: good.Signs},
	} {
		j := install(t)
		if err := j.db.Signing().Change(t.Context(), signing.Change{Generation: 1, At: good.Created, Add: &r}); err != nil {
			t.Fatal(err)
		}
		k := j.replica()
		err := k.Open(t.Context())
		if body, _, _ := k.JWKS(t.Context()); err == nil || body != nil {
			t.Errorf("%s: got %v and published %s, want a refusal", name, err, body)
		}
	}
}

func TestRefusesASchedule(t *testing.T) {
	for name, edit := range map[string]func(*signing.Keys){
		"that publishes too late":     func(k *signing.Keys) { k.PublishNext = signing.CacheTime - 1 },
		"that forgets too early":      func(k *signing.Keys) { k.KeepOld = signing.CacheTime },
		"that never comes to sign":    func(k *signing.Keys) { k.RotateEvery = time.Hour },
		"of another algorithm":        func(k *signing.Keys) { k.Alg = "HS256" },
		"of no algorithm":             func(k *signing.Keys) { k.Alg = "none" },
		"of short RSA keys":           func(k *signing.Keys) { k.Alg, k.Bits = signing.RS256, 1024 },
		"that forgets what lives on":  func(k *signing.Keys) { k.MaxLife, k.KeepOld = 10*time.Minute, 10*time.Minute },
		"without a key to seal under": func(k *signing.Keys) { k.Seal = nil },
	} {
		i := install(t)
		k := i.replica()
		edit(k)
		if err := k.Open(t.Context()); err == nil {
			t.Errorf("a schedule %s: got no error", name)
		}
		if all := list(t, i.replica()); len(all) != 0 {
			t.Errorf("a schedule %s: got %v, want no key made", name, all)
		}
	}
}

// The private half is in the sealed row and nowhere else.
func TestA168PrivateKeysAreNowhere(t *testing.T) {
	i := install(t)
	k, ctx := i.opened(), t.Context()
	set, err := i.db.Signing().Load(ctx)
	if err != nil {
		t.Fatal(err)
	}
	der, err := i.seal.Open("signing key", set.Records[0].ID, set.Records[0].Sealed)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		t.Fatal(err)
	}
	d, err := parsed.(*ecdsa.PrivateKey).Bytes()
	if err != nil {
		t.Fatal(err)
	}
	out := &i.log
	body, _, err := k.JWKS(ctx)
	fmt.Fprintf(out, "%s %v\n%s\n", body, err, sign(t, k))
	for _, v := range []any{k, *set, list(t, k)} {
		text, _ := json.Marshal(v)
		fmt.Fprintf(out, "%s %v %+v %#v\n", text, v, v, v)
		slog.New(slog.NewJSONHandler(out, nil)).Info("a", "value", v)
	}
	_, _, err = k.Retire(ctx, set.Records[0].ID, false)
	fmt.Fprintln(out, err)
	wrong := i.replica()
	wrong.Seal = derive(t, "quite another key material, also long")
	fmt.Fprintln(out, wrong.Open(ctx))
	text := out.String()
	for _, form := range []string{string(d), fmt.Sprintf("%x", d), fmt.Sprintf("%X", d), fmt.Sprint(d), base64.RawURLEncoding.EncodeToString(d), base64.StdEncoding.EncodeToString(d), base64.StdEncoding.EncodeToString(der)[:40]} {
		if strings.Contains(text, form) {
			t.Errorf("the private half was printed: %.20q", form)
		}
	}
	if strings.Contains(string(body), `"d"`) {
		t.Errorf("got %s, want public halves only", body)
	}
}

// Run does what the schedule wants, sees what others do, and ends.
func TestRunFollowsOthers(t *testing.T) {
	i := install(t)
	i.clock = &clock{at: time.Now()}
	k := i.opened()
	k.Now = nil
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { k.Run(ctx); close(done) }()
	other, err := i.opened().Rotate(t.Context(), signing.Rotation{Now: true})
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(10 * time.Second); kid(t, sign(t, k)) != other.ID; {
		if time.Now().After(end) {
			t.Fatal("the rotation of another process is not seen")
		}
		time.Sleep(20 * time.Millisecond)
	}
	cancel()
	<-done
}

func BenchmarkSign(b *testing.B) {
	claims := map[string]any{
		"iss": "https://mcp.example.com", "aud": "http://127.0.0.1:3000/mcp", "sub": "key:7Qm2Vx9KtB4c", "tenant": "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
		"tenant_name": "acme", "key_id": "7Qm2Vx9KtB4c", "server": "files", "method": "tools/call", "tool": "read_file", "jti": "ABCDEFGHIJKLMNOP", "iat": 1, "nbf": 1, "exp": 61,
	}
	for _, alg := range []string{signing.ES256, signing.EdDSA, signing.RS256} {
		b.Run(alg, func(b *testing.B) {
			k := install(b).replica()
			k.Alg, k.Now = alg, nil
			if err := k.Open(b.Context()); err != nil {
				b.Fatal(err)
			}
			ctx, cancel := context.WithCancel(b.Context())
			defer cancel()
			go k.Run(ctx)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := k.Sign(ctx, "gatehouse-identity+jwt", claims); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// overtaken lets somebody else be faster, once.
type overtaken struct {
	signing.Store
	once sync.Once
	by   func()
}

func (o *overtaken) Load(ctx context.Context) (*signing.Set, error) {
	set, err := o.Store.Load(ctx)
	o.once.Do(o.by)
	return set, err
}

func TestA063RotationsThatMeetMakeOneKey(t *testing.T) {
	i := install(t)
	other := i.opened()
	k := i.replica()
	k.Store = &overtaken{Store: i.db.Signing(), by: func() {
		if _, err := other.Rotate(t.Context(), signing.Rotation{}); err != nil {
			t.Error(err)
		}
	}}
	if _, err := k.Rotate(t.Context(), signing.Rotation{}); !errors.Is(err, signing.ErrRotating) {
		t.Errorf("got %v, want ErrRotating", err)
	}
	if all := list(t, other); len(all[signing.Next]) != 1 {
		t.Errorf("got %+v, want one next key", all)
	}
}
