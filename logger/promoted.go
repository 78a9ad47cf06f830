package logger

import (
	"io"
	"log/slog"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// The methods that a Server, Service, Operation, Run and Step have from their
// Logger are written out here for one reason: promoted through a nil pointer
// they would panic, and a nil run or step must be as harmless as a nil logger.

func (s *Server) logger() *Logger {
	if s == nil {
		return nil
	}
	return s.Logger
}

// Trace is [Logger.Trace].
func (s *Server) Trace(msg string, fields ...zap.Field) { s.logger().Trace(msg, fields...) }

// Debug is [Logger.Debug].
func (s *Server) Debug(msg string, fields ...zap.Field) { s.logger().Debug(msg, fields...) }

// Info is [Logger.Info].
func (s *Server) Info(msg string, fields ...zap.Field) { s.logger().Info(msg, fields...) }

// Warn is [Logger.Warn].
func (s *Server) Warn(msg string, fields ...zap.Field) { s.logger().Warn(msg, fields...) }

// Error is [Logger.Error].
func (s *Server) Error(msg string, fields ...zap.Field) { s.logger().Error(msg, fields...) }

// Fatal is [Logger.Fatal].
func (s *Server) Fatal(msg string, fields ...zap.Field) { s.logger().Fatal(msg, fields...) }

// Log is [Logger.Log].
func (s *Server) Log(level zapcore.Level, msg string, fields ...zap.Field) {
	s.logger().Log(level, msg, fields...)
}

// Enabled is [Logger.Enabled].
func (s *Server) Enabled(level zapcore.Level) bool { return s.logger().Enabled(level) }

// With is [Logger.With].
func (s *Server) With(fields ...zap.Field) *Logger { return s.logger().With(fields...) }

// Label is [Logger.Label].
func (s *Server) Label(label string) *Logger { return s.logger().Label(label) }

// To is [Logger.To].
func (s *Server) To(file string) *Logger { return s.logger().To(file) }

// Zap is [Logger.Zap].
func (s *Server) Zap() *zap.Logger { return s.logger().Zap() }

// Slog is [Logger.Slog].
func (s *Server) Slog() *slog.Logger { return s.logger().Slog() }

// Writer is [Logger.Writer].
func (s *Server) Writer(level zapcore.Level) io.WriteCloser { return s.logger().Writer(level) }

func (s *Service) logger() *Logger {
	if s == nil {
		return nil
	}
	return s.Logger
}

// Trace is [Logger.Trace].
func (s *Service) Trace(msg string, fields ...zap.Field) { s.logger().Trace(msg, fields...) }

// Debug is [Logger.Debug].
func (s *Service) Debug(msg string, fields ...zap.Field) { s.logger().Debug(msg, fields...) }

// Info is [Logger.Info].
func (s *Service) Info(msg string, fields ...zap.Field) { s.logger().Info(msg, fields...) }

// Warn is [Logger.Warn].
func (s *Service) Warn(msg string, fields ...zap.Field) { s.logger().Warn(msg, fields...) }

// Error is [Logger.Error].
func (s *Service) Error(msg string, fields ...zap.Field) { s.logger().Error(msg, fields...) }

// Fatal is [Logger.Fatal].
func (s *Service) Fatal(msg string, fields ...zap.Field) { s.logger().Fatal(msg, fields...) }

// Log is [Logger.Log].
func (s *Service) Log(level zapcore.Level, msg string, fields ...zap.Field) {
	s.logger().Log(level, msg, fields...)
}

// Enabled is [Logger.Enabled].
func (s *Service) Enabled(level zapcore.Level) bool { return s.logger().Enabled(level) }

// With is [Logger.With].
func (s *Service) With(fields ...zap.Field) *Logger { return s.logger().With(fields...) }

// Label is [Logger.Label].
func (s *Service) Label(label string) *Logger { return s.logger().Label(label) }

// To is [Logger.To].
func (s *Service) To(file string) *Logger { return s.logger().To(file) }

// Zap is [Logger.Zap].
func (s *Service) Zap() *zap.Logger { return s.logger().Zap() }

// Slog is [Logger.Slog].
func (s *Service) Slog() *slog.Logger { return s.logger().Slog() }

// Writer is [Logger.Writer].
func (s *Service) Writer(level zapcore.Level) io.WriteCloser { return s.logger().Writer(level) }

func (o *Operation) logger() *Logger {
	if o == nil {
		return nil
	}
	return o.Logger
}

// Trace is [Logger.Trace].
func (o *Operation) Trace(msg string, fields ...zap.Field) { o.logger().Trace(msg, fields...) }

// Debug is [Logger.Debug].
func (o *Operation) Debug(msg string, fields ...zap.Field) { o.logger().Debug(msg, fields...) }

// Info is [Logger.Info].
func (o *Operation) Info(msg string, fields ...zap.Field) { o.logger().Info(msg, fields...) }

// Warn is [Logger.Warn].
func (o *Operation) Warn(msg string, fields ...zap.Field) { o.logger().Warn(msg, fields...) }

// Error is [Logger.Error].
func (o *Operation) Error(msg string, fields ...zap.Field) { o.logger().Error(msg, fields...) }

// Fatal is [Logger.Fatal].
func (o *Operation) Fatal(msg string, fields ...zap.Field) { o.logger().Fatal(msg, fields...) }

// Log is [Logger.Log].
func (o *Operation) Log(level zapcore.Level, msg string, fields ...zap.Field) {
	o.logger().Log(level, msg, fields...)
}

// Enabled is [Logger.Enabled].
func (o *Operation) Enabled(level zapcore.Level) bool { return o.logger().Enabled(level) }

// With is [Logger.With].
func (o *Operation) With(fields ...zap.Field) *Logger { return o.logger().With(fields...) }

// Label is [Logger.Label].
func (o *Operation) Label(label string) *Logger { return o.logger().Label(label) }

// To is [Logger.To].
func (o *Operation) To(file string) *Logger { return o.logger().To(file) }

// Zap is [Logger.Zap].
func (o *Operation) Zap() *zap.Logger { return o.logger().Zap() }

// Slog is [Logger.Slog].
func (o *Operation) Slog() *slog.Logger { return o.logger().Slog() }

// Writer is [Logger.Writer].
func (o *Operation) Writer(level zapcore.Level) io.WriteCloser { return o.logger().Writer(level) }

func (r *Run) logger() *Logger {
	if r == nil {
		return nil
	}
	return r.Logger
}

// Trace is [Logger.Trace].
func (r *Run) Trace(msg string, fields ...zap.Field) { r.logger().Trace(msg, fields...) }

// Debug is [Logger.Debug].
func (r *Run) Debug(msg string, fields ...zap.Field) { r.logger().Debug(msg, fields...) }

// Info is [Logger.Info].
func (r *Run) Info(msg string, fields ...zap.Field) { r.logger().Info(msg, fields...) }

// Warn is [Logger.Warn].
func (r *Run) Warn(msg string, fields ...zap.Field) { r.logger().Warn(msg, fields...) }

// Error is [Logger.Error].
func (r *Run) Error(msg string, fields ...zap.Field) { r.logger().Error(msg, fields...) }

// Fatal is [Logger.Fatal].
func (r *Run) Fatal(msg string, fields ...zap.Field) { r.logger().Fatal(msg, fields...) }

// Log is [Logger.Log].
func (r *Run) Log(level zapcore.Level, msg string, fields ...zap.Field) {
	r.logger().Log(level, msg, fields...)
}

// Enabled is [Logger.Enabled].
func (r *Run) Enabled(level zapcore.Level) bool { return r.logger().Enabled(level) }

// With is [Logger.With].
func (r *Run) With(fields ...zap.Field) *Logger { return r.logger().With(fields...) }

// Label is [Logger.Label].
func (r *Run) Label(label string) *Logger { return r.logger().Label(label) }

// To is [Logger.To].
func (r *Run) To(file string) *Logger { return r.logger().To(file) }

// Zap is [Logger.Zap].
func (r *Run) Zap() *zap.Logger { return r.logger().Zap() }

// Slog is [Logger.Slog].
func (r *Run) Slog() *slog.Logger { return r.logger().Slog() }

// Writer is [Logger.Writer].
func (r *Run) Writer(level zapcore.Level) io.WriteCloser { return r.logger().Writer(level) }

func (s *Step) logger() *Logger {
	if s == nil {
		return nil
	}
	return s.Logger
}

// Trace is [Logger.Trace].
func (s *Step) Trace(msg string, fields ...zap.Field) { s.logger().Trace(msg, fields...) }

// Debug is [Logger.Debug].
func (s *Step) Debug(msg string, fields ...zap.Field) { s.logger().Debug(msg, fields...) }

// Info is [Logger.Info].
func (s *Step) Info(msg string, fields ...zap.Field) { s.logger().Info(msg, fields...) }

// Warn is [Logger.Warn].
func (s *Step) Warn(msg string, fields ...zap.Field) { s.logger().Warn(msg, fields...) }

// Error is [Logger.Error].
func (s *Step) Error(msg string, fields ...zap.Field) { s.logger().Error(msg, fields...) }

// Fatal is [Logger.Fatal].
func (s *Step) Fatal(msg string, fields ...zap.Field) { s.logger().Fatal(msg, fields...) }

// Log is [Logger.Log].
func (s *Step) Log(level zapcore.Level, msg string, fields ...zap.Field) {
	s.logger().Log(level, msg, fields...)
}

// Enabled is [Logger.Enabled].
func (s *Step) Enabled(level zapcore.Level) bool { return s.logger().Enabled(level) }

// With is [Logger.With].
func (s *Step) With(fields ...zap.Field) *Logger { return s.logger().With(fields...) }

// Label is [Logger.Label].
func (s *Step) Label(label string) *Logger { return s.logger().Label(label) }

// To is [Logger.To].
func (s *Step) To(file string) *Logger { return s.logger().To(file) }

// Zap is [Logger.Zap].
func (s *Step) Zap() *zap.Logger { return s.logger().Zap() }

// Slog is [Logger.Slog].
func (s *Step) Slog() *slog.Logger { return s.logger().Slog() }

// Writer is [Logger.Writer].
func (s *Step) Writer(level zapcore.Level) io.WriteCloser { return s.logger().Writer(level) }
