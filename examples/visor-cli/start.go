package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// startScreen is shown until an agent answers. It shows the error and advice.
func (m *model) startScreen(st styles) []string {
	title := "No agent answers at " + m.c.base
	if refused := (*refusal)(nil); errors.As(m.err, &refused) {
		title = "The agent at " + m.c.base + " answers with an error"
	}
	lines := []string{"", st.title.Render(title), "", "  " + printable(reason(m.err))}
	for _, a := range m.advice() {
		lines = append(lines, "", "  "+a.what)
		if a.command != "" {
			lines = append(lines, "      "+st.focus.Render(a.command))
		}
	}
	return append(lines, "", st.dim.Render("  visor-cli goes on trying; q quits."))
}

// advice is a suggestion for the user.
type advice struct{ what, command string }

// advice returns suggestions for the error, or general ones.
func (m *model) advice() []advice {
	var refused *refusal
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var plain tls.RecordHeaderError
	text := m.err.Error()
	switch {
	case errors.As(m.err, &plain), strings.Contains(text, "server gave HTTP response to HTTPS client"):
		return []advice{{"The agent speaks HTTP. Leave out --tls:", m.command("")}}
	case errors.As(m.err, &refused) && strings.Contains(text, "HTTPS server"):
		return []advice{{"The agent speaks HTTPS:", m.command("--tls")}}
	case errors.As(m.err, &refused) && (refused.status == http.StatusUnauthorized || refused.status == http.StatusForbidden):
		return []advice{{"The agent requires the token in the file of its --api-token-file:", m.command(m.security() + " --api-token-file FILE")}}
	case errors.As(m.err, &refused) && refused.status == http.StatusNotFound:
		return []advice{{"The agent has no policy of that name. p lists those that it has.", ""}}
	case errors.As(m.err, &unknown), errors.As(m.err, &name):
		return []advice{
			{"This host does not trust the agent's certificate. Trust its certificate authority:", m.command("--tls --tls-ca FILE")},
			{"Or skip the check, on a network that you trust:", m.command("--tls-noverify")},
		}
	}
	return []advice{
		{"Start one on this host, which counts what an interface sees (visord -h):", "visord eth0"},
		{"Or look at one elsewhere:", "visor-cli -H HOST -p PORT"},
		{"An agent on another host listens there only with an address:", "visord -l ADDRESS eth0"},
	}
}

// command returns the command line of visor-cli for the same agent with other options.
func (m *model) command(options string) string {
	command := "visor-cli -H " + m.options.host
	if m.options.port != defaultPort {
		command += fmt.Sprintf(" -p %d", m.options.port)
	}
	return strings.Join(append(strings.Fields(command), strings.Fields(options)...), " ")
}

// security returns the option for the current transport security.
func (m *model) security() string {
	switch {
	case m.options.noVerify:
		return "--tls-noverify"
	case m.options.tls:
		return "--tls"
	}
	return ""
}
