package authserver

import (
	"net/http"
	"slices"
	"strings"
)

// Handler answers everything under the issuer but the well-known documents.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /auth/{asset}", s.asset)
	mux.HandleFunc("GET /authorize", s.authorize)
	mux.HandleFunc("POST /authorize", s.authorize)
	mux.HandleFunc("POST /auth/consent", s.consent)
	mux.HandleFunc("GET /auth/login", s.login)
	mux.HandleFunc("GET /auth/login/{provider}", s.loginProvider)
	mux.HandleFunc("GET /auth/callback/{provider}", s.callback)
	mux.HandleFunc("POST /auth/local", s.localPassword)
	mux.HandleFunc("POST /auth/local/code", s.localCode)
	mux.HandleFunc("POST /auth/passkey", s.passkey)
	mux.HandleFunc("GET /auth/invite", s.invite)
	mux.HandleFunc("POST /auth/setup/password", s.setupPassword)
	mux.HandleFunc("POST /auth/setup/passkey", s.setupPasskey)
	mux.HandleFunc("POST /auth/continue", s.goOn)
	mux.HandleFunc("GET /auth/recover", s.recovery)
	mux.HandleFunc("POST /auth/recover", s.recoverCode)
	mux.HandleFunc("GET /account/security", s.security)
	mux.HandleFunc("POST /account/security/remove", s.removePasskey)
	mux.HandleFunc("POST /account/security/codes", s.newCodes)
	mux.HandleFunc("GET /device", s.device)
	mux.HandleFunc("POST /device", s.deviceCode)
	mux.HandleFunc("GET /account", s.account)
	mux.HandleFunc("POST /account/revoke", s.accountRevoke)
	mux.HandleFunc("POST /account/sessions", s.accountSessions)
	mux.HandleFunc("POST /account/sign-out", s.accountSignOut)
	for path, endpoint := range map[string]http.HandlerFunc{
		"/token": s.token, "/revoke": s.revoke, "/par": s.push, "/device_authorization": s.deviceAuthorization,
	} {
		mux.HandleFunc("POST "+path, s.browser(endpoint))
		mux.HandleFunc("OPTIONS "+path, s.preflight)
	}
	mux.HandleFunc("POST /introspect", s.introspect)
	s.registers(mux)
	return entry{s, s.outside(mux)}
}

// Paths are what Handler answers: exact paths, and prefixes that end with a slash.
func Paths() []string {
	return []string{
		"/authorize", "/token", "/register", "/register/", "/revoke", "/introspect", "/par",
		"/device_authorization", "/device", "/account", "/account/", "/auth/",
	}
}

// Answers says whether a path is ours.
func Answers(path string) bool {
	return slices.ContainsFunc(Paths(), func(own string) bool {
		return path == own || strings.HasSuffix(own, "/") && strings.HasPrefix(path, own)
	})
}
