package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

// logSink is the destination of log lines: a file that can be reopened, syslog, or standard output.
type logSink struct {
	path string

	mu  sync.Mutex
	out io.Writer
}

// openLog opens the destination that the options name. If syslog is not available it uses stderr,
// with a warning.
func openLog(o options, stdout, stderr io.Writer, syslog func() (io.Writer, error)) (s *logSink, warning string, err error) {
	s = &logSink{path: o.logFile, out: stdout}
	if o.syslog && o.logFile == "" {
		if s.out, err = syslog(); err != nil {
			warning, s.out = fmt.Sprintf("--syslog: %v; the log goes to standard error", err), stderr
		}
	}
	return s, warning, s.reopen()
}

// reopen opens the log file again after it was rotated.
func (s *logSink) reopen() error {
	if s.path == "" {
		return nil
	}
	f, err := os.OpenFile(s.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if former, ok := s.out.(*os.File); ok && former != os.Stdout && former != os.Stderr {
		_ = former.Close()
	}
	s.out = f
	return nil
}

func (s *logSink) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c, ok := s.out.(io.Closer); ok && s.out != os.Stdout && s.out != os.Stderr {
		_ = c.Close()
	}
}

func (s *logSink) logger(verbose bool) *slog.Logger {
	level := slog.LevelInfo
	if verbose {
		level = slog.LevelDebug
	}
	return slog.New(&lineHandler{sink: s, level: level})
}

// lineHandler writes records in pktvisord's format, [time] [visor] [level] message, followed by
// attributes as key=value.
type lineHandler struct {
	sink  *logSink
	level slog.Level
	attrs string
}

var _ slog.Handler = (*lineHandler)(nil)

func (h *lineHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level }

func (h *lineHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := *h
	for _, a := range attrs {
		next.attrs += attribute(a)
	}
	return &next
}

func (h *lineHandler) WithGroup(string) slog.Handler { return h }

func (h *lineHandler) Handle(_ context.Context, r slog.Record) error {
	var b bytes.Buffer
	level := strings.ToLower(r.Level.String())
	if r.Level == slog.LevelWarn {
		level = "warning"
	}
	fmt.Fprintf(&b, "[%s] [visor] [%s] %s%s", r.Time.Format("2006-01-02 15:04:05.000"), level, r.Message, h.attrs)
	r.Attrs(func(a slog.Attr) bool {
		b.WriteString(attribute(a))
		return true
	})
	line := appendPrintable(nil, strings.ReplaceAll(b.String(), "\n", " | ")) // one line per record
	return h.sink.write(r.Level, append(line, '\n'))
}

// severities is implemented by syslog, which writes lines with a severity.
type severities interface {
	Debug(line string) error
	Info(line string) error
	Warning(line string) error
	Err(line string) error
}

func (s *logSink) write(level slog.Level, line []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w, ok := s.out.(severities); ok {
		switch {
		case level >= slog.LevelError:
			return w.Err(string(line))
		case level >= slog.LevelWarn:
			return w.Warning(string(line))
		case level >= slog.LevelInfo:
			return w.Info(string(line))
		}
		return w.Debug(string(line))
	}
	_, err := s.out.Write(line)
	return err
}

// appendPrintable appends text and escapes characters that could control or deceive the reader's
// terminal: control characters, marks that change the direction of writing, and invisible ones.
// Clients choose the paths of requests in the log.
func appendPrintable(dst []byte, text string) []byte {
	for _, r := range text {
		if unicode.IsPrint(r) {
			dst = utf8.AppendRune(dst, r)
			continue
		}
		quoted := strconv.QuoteRuneToASCII(r)
		dst = append(dst, quoted[1:len(quoted)-1]...)
	}
	return dst
}

// serverErrors returns the log of the web server. Broken connections are logged at debug level.
// Failures to accept connections are a warning, at most once a minute.
func serverErrors(to *slog.Logger) *log.Logger { return log.New(&serverLog{log: to}, "", 0) }

type serverLog struct {
	log *slog.Logger

	mu     sync.Mutex
	warned time.Time
}

func (s *serverLog) Write(line []byte) (int, error) {
	text := strings.TrimSpace(string(line))
	s.mu.Lock()
	defer s.mu.Unlock()
	if strings.Contains(text, "Accept error") && time.Since(s.warned) > time.Minute {
		s.warned = time.Now()
		s.log.Warn("web server: " + text)
	} else {
		s.log.Debug("web server: " + text)
	}
	return len(line), nil
}

// attribute formats an attribute. The status of a request has no key, as in pktvisord.
func attribute(a slog.Attr) string {
	if a.Key == "status" {
		return " " + a.Value.String()
	}
	value := a.Value.String()
	if a.Value.Kind() == slog.KindTime {
		value = a.Value.Time().Format(time.RFC3339)
	}
	if strings.ContainsAny(value, " \"=\n") {
		return fmt.Sprintf(" %s=%q", a.Key, value)
	}
	return " " + a.Key + "=" + value
}
