package mcp

import "encoding/json"

// Arguments returns the raw arguments of an accepted tools/call; nil when it has none.
func Arguments(message []byte) []byte {
	var m struct {
		Params struct {
			Arguments json.RawMessage `json:"arguments"`
		} `json:"params"`
	}
	if json.Unmarshal(message, &m) != nil { // it was read strictly before, so names are what they seem
		return nil
	}
	return m.Params.Arguments
}
