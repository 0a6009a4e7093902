package gatehouse_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
)

// Opaque tokens are judged by asking their issuer.
func ExampleIntrospectionVerifier() {
	issuer := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.PostFormValue("token") != "oat_8Jd2kLm5Qw7ZtY4x" {
			fmt.Fprint(w, `{"active":false}`)
			return
		}
		fmt.Fprint(w, `{"active":true,"iss":"https://login.example.com","aud":"https://mcp.example.com/mcp",
			"sub":"ada","client_id":"claude","scope":"tools:read","exp":4102444800}`)
	})) // stands for https://login.example.com
	defer issuer.Close()

	tokens := &gatehouse.IntrospectionVerifier{
		Issuer:       "https://login.example.com",
		Endpoint:     issuer.URL + "/introspect",
		ClientID:     "gatehouse",
		ClientSecret: "the secret that the issuer gave us",
		Audience:     "https://mcp.example.com/mcp",
		MaxLife:      100 * 365 * 24 * time.Hour,
		HTTP:         issuer.Client(), // leave it out: then only public addresses are reached
	}
	who, err := tokens.Verify(context.Background(), &gatehouse.Credential{Text: "oat_8Jd2kLm5Qw7ZtY4x"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(who.Subject, who.Client, who.Scopes)
	_, err = tokens.Verify(context.Background(), &gatehouse.Credential{Text: "oat_anotherTokenThatIsNotActive"})
	fmt.Println(err)
	// Output:
	// ada claude [tools:read]
	// credential of another kind: GH-1121: The token is not active.
}
