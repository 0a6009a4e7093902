package config

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// TestSecretsHideFromEveryVerb prints a secret in all the ways that fmt knows,
// those that are slips included; of %w, fmt asks nobody, and vet refuses it.
func TestSecretsHideFromEveryVerb(t *testing.T) {
	const text = "hunter2-canary"
	s := Secret(text)
	inStruct := struct{ A Secret }{s}
	for _, verb := range strings.Split("v +v #v s q x X #x #q d o b c U t f e g p T 5s .3s -20q", " ") {
		for _, v := range []any{s, inStruct, &inStruct, []Secret{s}, map[string]Secret{"a": s}} {
			got := fmt.Sprintf("%"+verb, v)
			for _, leak := range []string{text, "hun", fmt.Sprintf("%x", text), fmt.Sprintf("%X", text), fmt.Sprintf("%d", []byte(text)[0])} {
				if verb != "p" && strings.Contains(got, leak) {
					t.Errorf("%%%s of %T: got %s", verb, v, got)
				}
			}
		}
	}
	if got, err := json.Marshal(inStruct); err != nil || strings.Contains(string(got), text) {
		t.Errorf("got %s, %v", got, err)
	}
	if fmt.Sprint(Secret("")) != "" {
		t.Error("an empty secret is shown as one")
	}
}
