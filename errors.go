package gatehouse

// Error is a refusal that its caller may see. RFC 6750 §3.1
type Error struct {
	Code        string     // stable: "GH-1001"
	Status      int        // of the HTTP answer
	Description string     // a sentence safe for strangers
	Challenge   *Challenge // nil: the answer carries no WWW-Authenticate
	Cause       error      // the full story, for the log only; may be nil
}

// Error returns the code and what strangers may read, never the cause.
func (e *Error) Error() string { return e.Code + ": " + e.Description }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Refuse returns a 401 that challenges with invalid_token: a credential was
// sent and it does not do. RFC 6750 §3.1
func Refuse(code, description string, cause error) *Error {
	return &Error{
		Code: code, Status: 401, Description: description, Cause: cause,
		Challenge: &Challenge{Error: "invalid_token", Description: description},
	}
}
