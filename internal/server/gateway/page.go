package gateway

import (
	"errors"
	"net/http"
	"strings"

	"github.com/gatehouse-mcp/gatehouse"
)

// wantsPage says whether a refusal is better told to a person: a browser came
// along without any credential.
func wantsPage(r *http.Request, err error) bool {
	var e *gatehouse.Error
	return r.Method == http.MethodGet && errors.As(err, &e) && e.Code == "GH-1001" &&
		strings.Contains(r.Header.Get("Accept"), "text/html")
}
