package gatehouse_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/gatehouse-mcp/gatehouse"
)

const exampleKeys = `{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"2026-11","use":"sig","alg":"EdDSA","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`

// The keys of an issuer are found by its metadata, kept, and renewed.
func ExampleRemoteKeys() {
	mux := http.NewServeMux()
	issuer := httptest.NewTLSServer(mux) // stands for https://login.example.com
	defer issuer.Close()
	mux.HandleFunc("/.well-known/oauth-authorization-server", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, issuer.URL, issuer.URL+"/keys")
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, exampleKeys) })

	keys := &gatehouse.RemoteKeys{
		Issuer: issuer.URL,
		HTTP:   issuer.Client(), // leave it out: then only public addresses are reached
	}
	found, err := keys.Keys(context.Background(), "2026-11", "EdDSA")
	fmt.Println(len(found), err)
	_, err = keys.Keys(context.Background(), "2026-12", "EdDSA")
	fmt.Println(errors.Is(err, gatehouse.ErrUnknownKey))
	fmt.Println(keys.Status().Kids)
	// Output:
	// 1 <nil>
	// true
	// [2026-11]
}

func ExampleParseKeys() {
	keys, err := gatehouse.ParseKeys([]byte(exampleKeys))
	if err != nil {
		fmt.Println(err)
		return
	}
	found, err := keys.Keys(context.Background(), "2026-11", "EdDSA")
	fmt.Println(len(found), err)
	_, err = keys.Keys(context.Background(), "2026-11", "HS256")
	fmt.Println(err)
	// Output:
	// 1 <nil>
	// the issuer has published no such key: key "2026-11" in the key set is not for alg "HS256"
}
