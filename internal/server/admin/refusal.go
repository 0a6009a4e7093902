package admin

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/apikey"
	"github.com/gatehouse-mcp/gatehouse/internal/client"
	"github.com/gatehouse-mcp/gatehouse/internal/login"
	"github.com/gatehouse-mcp/gatehouse/internal/signing"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
	"github.com/gatehouse-mcp/gatehouse/internal/token"
)

// Codes of refusals, beside those that the nouns bring along.
const (
	codeNotFound = "GH-2401"
	codeExists   = "GH-2402"
	codeArgument = "GH-2403"
	codeConflict = "GH-2405"

	codeUnrecorded = "GH-1903"
	codeFull       = "GH-2408"
)

func bad(message string) error {
	return &adminapi.Error{Status: http.StatusBadRequest, Code: codeArgument, Message: message}
}

func conflict(message string) error {
	return &adminapi.Error{Status: http.StatusConflict, Code: codeConflict, Message: message}
}

// facts are the nouns' sentinels and the answers they become.
var facts = []struct {
	fact   error
	status int
	code   string
}{
	{tenant.ErrNotFound, http.StatusNotFound, codeNotFound},
	{apikey.ErrNotFound, http.StatusNotFound, codeNotFound},
	{tenant.ErrExists, http.StatusConflict, codeExists},
	{apikey.ErrExists, http.StatusConflict, codeExists},
	{tenant.ErrInvalid, http.StatusBadRequest, codeArgument},
	{apikey.ErrInvalid, http.StatusBadRequest, codeArgument},
	{apikey.ErrMalformed, http.StatusBadRequest, codeArgument},
	{apikey.ErrWeak, http.StatusBadRequest, codeArgument},
	{tenant.ErrLinked, http.StatusConflict, codeExists},
	{tenant.ErrNotLinked, http.StatusNotFound, codeNotFound},
	{token.ErrNotFound, http.StatusNotFound, codeNotFound},
	{token.ErrInvalid, http.StatusBadRequest, codeArgument},
	{token.ErrFull, http.StatusConflict, codeConflict},
	{client.ErrUnknown, http.StatusNotFound, codeNotFound},
	{client.ErrRaced, http.StatusConflict, codeConflict},
	{client.ErrExists, http.StatusConflict, codeExists},
	{login.ErrNotFound, http.StatusNotFound, codeNotFound},
	{login.ErrExists, http.StatusConflict, codeExists},
	{login.ErrInvalid, http.StatusBadRequest, codeArgument},
	{login.ErrWeak, http.StatusBadRequest, codeArgument},
	{login.ErrDisabled, http.StatusConflict, codeConflict},
	{client.ErrWrong, http.StatusBadRequest, codeArgument},
	{tenant.ErrDefault, http.StatusConflict, codeConflict},
	{apikey.ErrReplaced, http.StatusConflict, codeConflict},
	{apikey.ErrRevoked, http.StatusConflict, codeConflict},
	{apikey.ErrExpired, http.StatusConflict, codeConflict},
	{apikey.ErrNotRotated, http.StatusConflict, codeConflict},
	{signing.ErrRotating, http.StatusConflict, codeConflict},
	{signing.ErrRaced, http.StatusConflict, codeConflict},
}

// settled says in words of the operator why a key cannot be changed: what became
// of it, and what can be done instead.
func settled(key *apikey.Key, err error) error {
	switch {
	case errors.Is(err, apikey.ErrRevoked):
		return conflict(fmt.Sprintf("Key %s is revoked, for good. Make another: gatehouse key create", key.ID))
	case errors.Is(err, apikey.ErrReplaced) && key.ReplacedBy == "":
		return conflict(fmt.Sprintf("Key %s was replaced a moment ago. Look at it with: gatehouse key show %[1]s", key.ID))
	case errors.Is(err, apikey.ErrReplaced):
		return conflict(fmt.Sprintf("Key %s was replaced by %s already. Rotate or revoke that one.", key.ID, key.ReplacedBy))
	case errors.Is(err, apikey.ErrNotRotated):
		return conflict(fmt.Sprintf("Key %s has no rotation that could be cancelled.", key.ID))
	case errors.Is(err, apikey.ErrExpired):
		return conflict(fmt.Sprintf("Key %s has expired: its rotation cannot be cancelled.", key.ID))
	}
	return err
}

// refusal maps an error to what the operator reads. What nobody foresaw is a
// bare 500 whose story is in the log.
func (a *Admin) refusal(r *http.Request, err error) *adminapi.Error {
	var ours *adminapi.Error
	if errors.As(err, &ours) {
		return ours
	}
	var theirs *gatehouse.Error
	if errors.As(err, &theirs) {
		a.Log.Error("admin request", "path", r.URL.Path, "code", theirs.Code, "error", err.Error(), "cause", theirs.Cause)
		return &adminapi.Error{Status: theirs.Status, Code: theirs.Code, Message: theirs.Description}
	}
	for _, f := range facts {
		if errors.Is(err, f.fact) {
			return &adminapi.Error{Status: f.status, Code: f.code, Message: err.Error()}
		}
	}
	a.Log.Error("admin request", "path", r.URL.Path, "error", err.Error())
	return &adminapi.Error{Status: http.StatusInternalServerError, Code: "GH-1901", Message: "Something went wrong here; the server's log says what."}
}
