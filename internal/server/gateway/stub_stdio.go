package gateway

import "log/slog"

// Stdio is temporary: the owner of stdio.go deletes this file.
type Stdio struct{}

func newStdio(s *Stdio, log *slog.Logger) backend { return nil }
