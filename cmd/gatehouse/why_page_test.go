package main

import (
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/why"
)

// members are the names that a type has as JSON, and those of what is in it.
func members(t reflect.Type, found map[string]bool) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	own := []string{reflect.TypeFor[whyAnswer]().PkgPath(), reflect.TypeFor[why.Login]().PkgPath()}
	if t.Kind() != reflect.Struct || !slices.Contains(own, t.PkgPath()) || t == reflect.TypeFor[explainedCall]() {
		return // the trail's, or policy explain's
	}
	for i := range t.NumField() {
		if name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ","); name != "" && name != "-" {
			found[name] = true
			members(t.Field(i).Type, found)
		}
	}
}

// TestThePageHasWhatWhyTells holds docs/reference/why.md to the members, states and steps that there are.
func TestThePageHasWhatWhyTells(t *testing.T) {
	page, err := os.ReadFile("../../docs/reference/why.md")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	members(reflect.TypeFor[whyAnswer](), found)
	if len(found) < 50 {
		t.Fatalf("got %d members, want all of them", len(found))
	}
	for _, word := range []string{
		why.Allowed, why.Denied, why.Broken, why.Cut, why.Unknown, why.Connected, why.UnderWay, why.Refused, why.Unfinished, why.Missing,
		why.StepDiscovery, why.StepChallenge, why.StepRegistration, why.StepPush, why.StepDevice, why.StepAuthorization, why.StepConsent, why.StepProvider,
		why.StepCallback, why.StepSignIn, why.StepEnrolment, why.StepCode, why.StepToken, why.StepCall, why.StepUnsigned, why.StepRefresh, why.StepRevocation,
	} {
		found[word] = true
	}
	for word := range found {
		if !strings.Contains(string(page), "`"+word+"`") {
			t.Errorf("the page does not have %s", word)
		}
	}
}
