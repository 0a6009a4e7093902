package config

import (
	"os"
	"path/filepath"
	"testing"
)

func TestHasSaysWhetherASettingIsThere(t *testing.T) {
	for text, want := range map[string]bool{
		"version: 1\nauth: {api_keys: {}}\n": true, "version: 1\nauth: {api_keys: {pepper: \"${NOT_SET}\"}}\n": true,
		"version: 1\nauth: {embedded: {}}\n": false, "version: 1\n": false, "version: 1\nservers: [{api_keys: 1}]\n": false,
	} {
		file := filepath.Join(t.TempDir(), "gatehouse.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := Has(file, SettingKeys, Outside{}); got != want || err != nil {
			t.Errorf("%q: got %v, %v", text, got, err)
		}
	}
	if _, err := Has(filepath.Join(t.TempDir(), "none"), SettingKeys, Outside{}); err == nil {
		t.Error("a file that is not there has no answer")
	}
}
