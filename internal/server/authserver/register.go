package authserver

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/client"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/oauth"
)

// Registrar registers clients: client.Registry.
type Registrar interface {
	// Register registers a client by its metadata. RFC 7591 §3
	Register(ctx context.Context, metadata []byte) (*client.Registration, error)
	// Read, Update and Delete manage the registration that a token is of. RFC 7592 §2
	Read(ctx context.Context, id, token string) (*client.Registration, error)
	Update(ctx context.Context, id, token string, metadata []byte) (*client.Registration, error)
	Delete(ctx context.Context, id, token string) error
}

// register is where clients register themselves. RFC 7591 §3
func (s *Server) register(w http.ResponseWriter, r *http.Request) {
	e := &audit.Event{Action: "register", Detail: map[string]string{}}
	out, err := s.registered(w, r, e, func(body []byte) (*client.Registration, error) {
		return s.Registrar.Register(r.Context(), body)
	})
	if err != nil {
		s.refuseRegistration(w, r, e, err)
		return
	}
	writeJSON(w, http.StatusCreated, out)
}

// registered has a client's metadata registered, and writes it down.
func (s *Server) registered(w http.ResponseWriter, r *http.Request, e *audit.Event, do func(body []byte) (*client.Registration, error)) (*client.Registration, error) {
	if err := s.take(w, r, "register", s.Settings.RegistrationRate); err != nil {
		return nil, err
	}
	body, err := readMetadata(w, r)
	if err != nil {
		return nil, err
	}
	out, err := do(body)
	if err != nil {
		return nil, err
	}
	e.Outcome, e.Status, e.ClientID, e.Client = audit.OK, http.StatusOK, out.ID, out.Name
	e.Detail["redirect_uris"] = strings.Join(out.Redirects, " ")
	e.Detail["auth_method"] = out.Method
	for i, why := range out.Dropped {
		e.Detail["dropped_"+strconv.Itoa(i+1)] = why
	}
	return out, s.mention(r, e)
}

// readMetadata reads a body that is JSON.
func readMetadata(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if text := r.Header.Get("Content-Type"); text != "" {
		if kind, _, err := mime.ParseMediaType(text); err != nil || kind != "application/json" {
			return nil, &oauth.Error{Code: oauth.InvalidMetadata, Ref: "GH-1408", Description: "a registration is application/json"}
		}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, client.MaxRegistration))
	if err == nil {
		return body, nil
	}
	status := http.StatusBadRequest
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		status = http.StatusRequestEntityTooLarge
	}
	return nil, &oauth.Error{Code: oauth.InvalidMetadata, Status: status, Ref: "GH-1408", Description: "the registration cannot be read, or is longer than 64 KiB", Cause: err}
}

// mention writes down what changes nothing here: it need not be on disk before it
// is answered, and a flood of it waits for no disk.
func (s *Server) mention(r *http.Request, e *audit.Event) error {
	e.Kind, e.Time, e.Request = config.AuditSignIn, s.now(), requestID(r)
	e.Address, _ = s.Address(r)
	return s.Trail.Write(context.WithoutCancel(r.Context()), e)
}

// refuseRegistration answers a refusal. Who comes too often is not written down
// each time: that would be a way to fill the trail.
func (s *Server) refuseRegistration(w http.ResponseWriter, r *http.Request, e *audit.Event, err error) {
	why := refusalOf(err)
	if why.Ref == "GH-1409" && s.Failed != nil {
		s.Failed(r, why.Ref)
	}
	if why.Status != http.StatusTooManyRequests {
		e.Outcome, e.Code, e.Status = audit.Refused, why.Ref, max(why.Status, http.StatusBadRequest)
		if e.Status >= http.StatusInternalServerError {
			e.Outcome = audit.Failed
		}
		e.Reason = strings.TrimPrefix(why.Error(), why.Code+": ")
		if told := s.mention(r, e); told != nil {
			err = told
		}
	}
	s.refuse(w, r, err)
}
