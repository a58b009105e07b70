package main

import (
	"context"
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"
)

// binding is a key with its help text.
type binding struct{ keys, help string }

var bindings = []binding{
	{"arrows, h j k l", "choose a panel and an entry in it; Tab goes to the next panel"},
	{"Enter", "show the clients and names behind the entry; Esc goes back"},
	{"/", "show entries that contain a text; Esc shows all again"},
	{"s", "sort by count, or by name"},
	{"1 2 3, t", "look at the live minute, the last one, or five"},
	{"p", "choose another policy"},
	{"f", "show findings, such as attacks; Enter shows the evidence"},
	{"space", "pause, and resume"},
	{"?", "show this"},
	{"q, Ctrl-C", "quit"},
}

// keyHelp lists the keys, one per line.
func keyHelp(indent string) string {
	var b strings.Builder
	for _, k := range bindings {
		fmt.Fprintf(&b, "%s%-16s %s\n", indent, k.keys, k.help)
	}
	return b.String()
}

// key handles a key. Other keys apply during a search, a choice, or help.
func (m *model) key(msg tea.KeyPressMsg) tea.Cmd {
	name := msg.String()
	m.note = ""
	switch {
	case name == "ctrl+c":
		return tea.Quit
	case m.typing:
		m.typeKey(msg)
		return nil
	case m.choice != nil:
		return m.choiceKey(name)
	case m.help:
		m.help = false
		return nil
	case m.list != nil:
		return m.findingKey(name)
	}
	return m.plainKey(name)
}

func (m *model) plainKey(name string) tea.Cmd {
	switch name {
	case "q":
		return tea.Quit
	case "?":
		m.help = true
	case "/":
		m.typing = true
	case "s":
		m.order = (m.order + 1) % orders
	case "1", "2", "3":
		return m.look(int(name[0] - '1'))
	case "t":
		return m.look((m.period + 1) % len(periods))
	case "p":
		return func() tea.Msg {
			names, err := m.c.policies(context.Background())
			return policiesMsg{names, err}
		}
	case "f":
		m.list = &findingList{}
	case "space":
		m.paused = !m.paused
	case "enter":
		return m.lookBehind()
	case "esc":
		if m.search != "" {
			m.search = ""
		} else if m.drill != nil {
			return m.leave()
		}
	default:
		m.move(name)
	}
	return nil
}

// look changes the period.
func (m *model) look(period int) tea.Cmd {
	m.period = period
	return m.ask()
}

// move moves within and between panels.
func (m *model) move(name string) {
	columns, n := m.columns(), len(m.panels())
	if n == 0 {
		return
	}
	switch name {
	case "down", "j":
		if m.row+1 < len(m.visible()) {
			m.row++
			return
		}
		m.goTo(m.focus+columns, 0)
	case "up", "k":
		if m.row > 0 {
			m.row--
			return
		}
		m.goTo(m.focus-columns, -1)
	case "right", "l":
		m.goTo(m.focus+1, m.row)
	case "left", "h":
		m.goTo(m.focus-1, m.row)
	case "tab":
		m.goTo((m.focus+1)%n, 0)
	case "shift+tab":
		m.goTo((m.focus+n-1)%n, 0)
	}
}

// goTo moves to a panel, if it exists, and to one of its entries; -1 is the last.
func (m *model) goTo(panel, row int) {
	if panel < 0 || panel >= len(m.panels()) {
		return
	}
	m.focus = panel
	last := max(0, len(m.visible())-1)
	if m.row = min(row, last); row < 0 {
		m.row = last
	}
}

func (m *model) typeKey(msg tea.KeyPressMsg) {
	switch msg.String() {
	case "enter":
		m.typing = false
	case "esc":
		m.typing, m.search = false, ""
	case "backspace":
		if runes := []rune(m.search); len(runes) > 0 {
			m.search = string(runes[:len(runes)-1])
		}
	default:
		m.search += msg.Key().Text
	}
	m.row = 0
}

func (m *model) choiceKey(name string) tea.Cmd {
	c := m.choice
	switch name {
	case "down", "j":
		c.row = min(c.row+1, max(0, len(c.names)-1))
	case "up", "k":
		c.row = max(c.row-1, 0)
	case "esc", "q", "p":
		m.choice = nil
	case "enter":
		m.choice = nil
		if c.row >= len(c.names) {
			return nil
		}
		var cmd tea.Cmd
		if m.drill != nil {
			cmd = m.leave()
		}
		m.policy = c.names[c.row]
		m.clear()
		return tea.Batch(cmd, m.ask())
	}
	return nil
}
