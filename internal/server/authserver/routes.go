package authserver

import "net/http"

// Handler answers everything under the issuer but the well-known documents.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /auth/{asset}", s.asset)
	return s.outside(mux)
}

// Paths are what Handler answers: exact paths, and prefixes that end with a slash.
func Paths() []string {
	return []string{
		"/authorize", "/token", "/register", "/register/", "/revoke", "/introspect", "/par",
		"/device_authorization", "/device", "/account", "/account/", "/auth/",
	}
}
