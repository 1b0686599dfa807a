package store

import (
	"context"
	"log/slog"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"leadsync/internal/observe"
)

// slowQuery is the one line of this package about a query; constant, its variables are attributes.
const slowQuery = "slow query"

// slowAfter is when a query is worth a line.
const slowAfter = time.Second

// slowText is how much of its text, in bytes, the line shows.
const slowText = 300

// gormConfig is the same for every pool. Errors are returned, not logged: a line for them is the caller's.
func gormConfig(log *slog.Logger) *gorm.Config {
	return &gorm.Config{
		SkipDefaultTransaction: true,

		TranslateError: true,
		NowFunc:        func() time.Time { return time.Now().UTC() },
		Logger:         gormLogger{log},
	}
}

// gormLogger tells of slow queries alone, and never with a value: gorm's own logger repeats errors that the caller logs
// anyway, and prints addresses unless told otherwise.
type gormLogger struct{ log *slog.Logger }

func (g gormLogger) LogMode(logger.LogLevel) logger.Interface { return g }
func (gormLogger) Info(context.Context, string, ...any)       {}
func (gormLogger) Warn(context.Context, string, ...any)       {}
func (gormLogger) Error(context.Context, string, ...any)      {}
func (gormLogger) ParamsFilter(_ context.Context, sql string, _ ...any) (string, []any) {
	return sql, nil
}

func (g gormLogger) Trace(ctx context.Context, begin time.Time, fc func() (string, int64), _ error) {
	if d := time.Since(begin); d >= slowAfter {
		text, rows := fc()
		g.log.LogAttrs(ctx, slog.LevelWarn, slowQuery, slog.Duration(observe.Elapsed, d), slog.String("sql", text[:min(len(text), slowText)]), slog.Int64(observe.Rows, rows))
	}
}
