package authserver

import (
	"errors"
	"net/http"

	"github.com/gatehouse-mcp/gatehouse/internal/federation"
	"github.com/gatehouse-mcp/gatehouse/internal/oauth"
)

// refusal is what the page "refused" shows.
type refusal struct {
	Title, Text, Code string
	Advice            []string
	Account           string // who the provider says they are; empty: not to be shown
	Retry             string // a path of ours; empty: there is nothing to try again
	RetryText         string
}

// fail answers a person with what went wrong. What is no refusal is told to the
// operator only.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	var refused *oauth.Error
	var provider *federation.Refusal
	switch {
	case errors.As(err, &refused):
		s.refusePage(w, r, refused)
	case errors.As(err, &provider):
		s.refuseProvider(w, r, provider)
	default:
		s.Log.Error("a page cannot be answered", "request", requestID(r), "path", r.URL.Path, "error", err.Error())
		w.Header().Set("Retry-After", "5")
		s.refusePage(w, r, &oauth.Error{Code: oauth.ServerError, Ref: "GH-1429", Status: http.StatusServiceUnavailable, Description: "something here does not work at the moment"})
	}
}

// refusePage answers a person with a refusal, and with what they can do.
func (s *Server) refusePage(w http.ResponseWriter, r *http.Request, e *oauth.Error) {
	status := e.Status
	if status == 0 {
		status = http.StatusBadRequest
	}
	s.page(w, r, status, "refused", refusal{Title: "This did not work", Text: e.Description, Code: e.Ref})
}

func (s *Server) refuseProvider(w http.ResponseWriter, r *http.Request, e *federation.Refusal) {
	s.page(w, r, http.StatusForbidden, "refused", refusal{Title: "You cannot sign in with this account", Text: e.Text, Code: e.Code, Account: e.Account})
}

// notFound answers where there is nothing, or not by this method.
func (s *Server) notFound(w http.ResponseWriter, r *http.Request, status int) {
	text := "There is no such page."
	if status == http.StatusMethodNotAllowed {
		text = "This page is not opened in this way."
	} else {
		status = http.StatusNotFound
	}
	s.refusePage(w, r, &oauth.Error{Code: oauth.InvalidRequest, Ref: "GH-1426", Status: status, Description: text})
}
