package edge

import (
	"context"
	"log/slog"

	"go.uber.org/zap/zapcore"
)

// zapCore writes what certmagic says with zap into our log.
type zapCore struct{ log *slog.Logger }

var levels = map[zapcore.Level]slog.Level{
	zapcore.InfoLevel: slog.LevelInfo, zapcore.WarnLevel: slog.LevelWarn, zapcore.ErrorLevel: slog.LevelError,
}

// Enabled implements zapcore.Core. What is below Info is about every single
// handshake.
func (z zapCore) Enabled(l zapcore.Level) bool {
	level, ok := levels[l]
	return ok && z.log.Enabled(context.Background(), level)
}

// With implements zapcore.Core.
func (z zapCore) With(fields []zapcore.Field) zapcore.Core {
	return zapCore{slog.New(z.log.Handler().WithAttrs(attrs(fields)))}
}

// Check implements zapcore.Core.
func (z zapCore) Check(e zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if z.Enabled(e.Level) {
		return checked.AddCore(e, z)
	}
	return checked
}

// Write implements zapcore.Core.
func (z zapCore) Write(e zapcore.Entry, fields []zapcore.Field) error {
	z.log.LogAttrs(context.Background(), levels[e.Level], e.Message, attrs(fields)...)
	return nil
}

// Sync implements zapcore.Core.
func (zapCore) Sync() error { return nil }

func attrs(fields []zapcore.Field) []slog.Attr {
	all := make([]slog.Attr, 0, len(fields))
	for _, f := range fields {
		enc := zapcore.NewMapObjectEncoder()
		f.AddTo(enc)
		for name, value := range enc.Fields {
			all = append(all, slog.Any(name, value))
		}
	}
	return all
}
