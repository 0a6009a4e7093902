package authserver

import (
	"net/http"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/client"
)

// registration is where a client looks at its registration, changes it and ends it.
// RFC 7592 §2
func (s *Server) registration(w http.ResponseWriter, r *http.Request) {
	id, token := r.PathValue("id"), bearer(r)
	e := &audit.Event{Action: map[string]string{
		http.MethodGet: "registration.read", http.MethodPut: "registration.update", http.MethodDelete: "registration.delete",
	}[r.Method], ClientID: id, Detail: map[string]string{}}
	var out *client.Registration
	var err error
	switch r.Method {
	case http.MethodGet:
		out, err = s.Registrar.Read(r.Context(), id, token)
	case http.MethodPut:
		out, err = s.registered(w, r, e, func(body []byte) (*client.Registration, error) {
			return s.Registrar.Update(r.Context(), id, token, body)
		})
	default:
		err = s.unregister(w, r, e, id, token)
	}
	switch {
	case err != nil:
		s.refuseRegistration(w, r, e, err)
	case out == nil:
		w.WriteHeader(http.StatusNoContent)
	default:
		writeJSON(w, http.StatusOK, out)
	}
}

// unregister ends a registration, for good.
func (s *Server) unregister(w http.ResponseWriter, r *http.Request, e *audit.Event, id, token string) error {
	if err := s.take(w, r, "register", s.Settings.RegistrationRate); err != nil {
		return err
	}
	if err := s.Registrar.Delete(r.Context(), id, token); err != nil {
		return err
	}
	e.Outcome, e.Status = audit.OK, http.StatusNoContent
	return s.tell(r, e)
}

// bearer returns the token of the one Authorization header; empty: there is none.
func bearer(r *http.Request) string {
	all := r.Header.Values("Authorization")
	if len(all) != 1 {
		return ""
	}
	scheme, token, _ := strings.Cut(all[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// registers serves registrations if there are any.
func (s *Server) registers(mux *http.ServeMux) {
	if s.Registrar == nil {
		return
	}
	mux.HandleFunc("POST /register", s.browser(s.register))
	mux.HandleFunc("OPTIONS /register", s.preflight)
	for _, method := range [...]string{http.MethodGet, http.MethodPut, http.MethodDelete} {
		mux.HandleFunc(method+" /register/{id}", s.browser(s.registration))
	}
	mux.HandleFunc("OPTIONS /register/{id}", s.preflight)
}
