package keytext

import (
	"slices"
	"strings"
)

// queryNames are parameters in which people put credentials.
var queryNames = map[string]bool{
	"access_token": true, "api_key": true, "apikey": true, "api-key": true, "x-api-key": true,
	"key": true, "token": true, "authorization": true, "bearer": true, "auth": true,
}

// QueryName says whether people put credentials in a query parameter of that name.
func QueryName(name string) bool { return queryNames[strings.ToLower(name)] }

// Mentions says whether a text has something in it that means to be one of our keys.
func Mentions(text string) bool { return strings.Contains(text, Prefix) }

// IDs returns the ids of the keys that a text has in it, whole or cut: of a
// secret that came by a way that others see.
func IDs(text string) []string {
	var ids []string
	for {
		_, rest, ok := strings.Cut(text, Prefix)
		if !ok {
			return ids
		}
		if len(rest) > IDLen && rest[IDLen] == '_' && ValidID(rest[:IDLen]) && !slices.Contains(ids, rest[:IDLen]) {
			ids = append(ids, rest[:IDLen])
		}
		text = rest
	}
}
