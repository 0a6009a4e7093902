package edge

import (
	"crypto/tls"
	"errors"
	"net/http"
	"reflect"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/config"
)

type acme struct{}

func (a *acme) certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return nil, errors.New("none")
}
func (a *acme) problems(time.Time) []Problem { return nil }
func (e *Edge) openACME() error {
	if e.Config.TLS.ACME != nil {
		return errors.New("tls.acme does not exist yet")
	}
	return nil
}
func (e *Edge) startACME()                                          {}
func (e *Edge) closeACME()                                          {}
func (e *Edge) answersACME(http.ResponseWriter, *http.Request) bool { return false }
func (e *Edge) reloadACME(config.Server, []string) error            { return nil }
func sameACME(a, b *config.ACME) bool                               { return reflect.DeepEqual(a, b) }
