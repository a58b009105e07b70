package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"visor/handler/policy/drill"
)

// period is a range of time that can be shown.
type period struct{ name, path string }

var periods = []period{{"live", "bucket/0"}, {"1m", "bucket/1"}, {"5m", "window/5"}}

// samples is the number of live rates in sparklines.
const samples = 40

// model is the state of the screen.
type model struct {
	c       *client
	options options
	refresh time.Duration
	width   int
	height  int

	server  string // version of the agent
	policy  string
	period  int // index in periods
	now     *summary
	err     error // error of the last request; now is outdated or missing
	note    string
	packets []float64 // live rates, the most recent last
	queries []float64

	focus  int // index of the panel in focus
	row    int // index of the entry in focus
	order  order
	search string
	typing bool // the search is being typed
	help   bool
	paused bool
	choice *choice    // choice of a policy, if open
	drill  *drilldown // nil on the first screen
	found  foundMsg
	list   *findingList // nil unless findings are shown
}

// choice is a list of policies to choose from.
type choice struct {
	names []string
	row   int
}

func newModel(c *client, o options) *model {
	return &model{c: c, options: o, refresh: o.refresh, policy: o.policy, period: len(periods) - 1, width: 80, height: 24}
}

// Results of commands.
type (
	tickMsg    struct{}
	versionMsg struct {
		version string
		err     error
	}
	summaryMsg struct {
		policy  string
		period  int
		summary *summary
		err     error
	}
	policiesMsg struct {
		names []string
		err   error
	}
	drillMsg struct {
		drill *drilldown
		err   error
	}
	removedMsg struct{ err error }
)

// Init requests the version and the metrics of the agent.
func (m *model) Init() tea.Cmd {
	return tea.Batch(m.askVersion(), m.ask(), m.askFindings(), m.tick())
}

func (m *model) askVersion() tea.Cmd {
	return func() tea.Msg {
		v, err := m.c.serverVersion(context.Background())
		return versionMsg{v, err}
	}
}

func (m *model) tick() tea.Cmd {
	return tea.Tick(m.refresh, func(time.Time) tea.Msg { return tickMsg{} })
}

// shown returns the name of the displayed policy.
func (m *model) shown() string {
	if m.drill != nil {
		return m.drill.policy
	}
	return m.policy
}

// ask requests the counts of the policy. A drill-down always requests all available periods.
func (m *model) ask() tea.Cmd {
	policy, at := m.shown(), m.period
	if m.drill != nil {
		at = len(periods) - 1
	}
	return func() tea.Msg {
		s, err := m.c.summary(context.Background(), policy, periods[at])
		return summaryMsg{policy, at, s, err}
	}
}

// Update handles keys and answers of the agent.
func (m *model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
	case tickMsg:
		if m.paused && m.drill == nil {
			return m, m.tick()
		}
		return m, tea.Batch(m.ask(), m.askFindings(), m.tick()) // this also renews the lease
	case versionMsg:
		m.server = msg.version
		if msg.err == nil && !strings.HasPrefix(msg.version, "4.") {
			m.note = "the agent has version " + msg.version + ", this is for 4: it may not fit"
		}
	case summaryMsg:
		m.take(msg)
	case foundMsg:
		if m.found.err = msg.err; msg.err == nil {
			m.found = msg
		}
	case policiesMsg:
		if m.err = msg.err; msg.err == nil {
			m.choice = &choice{msg.names, max(0, slices.Index(msg.names, m.policy))}
		}
	case drillMsg:
		return m, m.enter(msg)
	case removedMsg:
		if msg.err != nil {
			m.note = "policy is not removed, the agent will: " + msg.err.Error()
		}
	case tea.KeyPressMsg:
		return m, m.key(msg)
	}
	return m, nil
}

// take stores an answer, unless another policy or period is displayed by now.
func (m *model) take(msg summaryMsg) {
	if msg.policy != m.shown() {
		return
	}
	if r, ok := errors.AsType[*refusal](msg.err); ok && r.status == http.StatusNotFound && m.drill != nil {
		m.clear() // the next tick asks for the policy again
		m.drill, m.note = nil, "the agent has ended the drill-down: its policy has ended, or shows addresses in another way now"
		return
	}
	if m.err = msg.err; msg.err != nil {
		return
	}
	focus := m.focused()
	m.now = msg.summary
	m.keepFocus(focus)
	m.packets = remember(m.packets, m.now.packets.rate.live)
	m.queries = remember(m.queries, m.now.dns.rate.live)
	m.row = min(m.row, max(0, len(m.visible())-1))
}

func remember(rates []float64, now float64) []float64 {
	rates = append(rates, now)
	return rates[max(0, len(rates)-samples):]
}

// clear removes everything from the screen.
func (m *model) clear() {
	m.now, m.err, m.packets, m.queries, m.focus, m.row = nil, nil, nil, nil, 0, 0
}

// panels returns the panels with entries.
func (m *model) panels() []panel {
	if m.drill != nil {
		return m.now.shownPanels(behind)
	}
	return m.now.shownPanels(panels)
}

// focused returns the panel in focus, or nil without panels.
func (m *model) focused() *panel {
	if all := m.panels(); m.focus < len(all) {
		return &all[m.focus]
	}
	return nil
}

// keepFocus keeps the focus on a panel while other panels appear and disappear.
func (m *model) keepFocus(former *panel) {
	all := m.panels()
	at := -1
	if former != nil {
		at = slices.IndexFunc(all, func(p panel) bool { return p.list == former.list })
	}
	if at < 0 {
		at = max(0, min(m.focus, len(all)-1))
	}
	m.focus = at
}

// visible returns the entries of the panel in focus.
func (m *model) visible() []item {
	p := m.focused()
	if p == nil {
		return nil
	}
	return p.entries(m.now, m.search, m.order)
}

// enter shows a drill-down.
func (m *model) enter(msg drillMsg) tea.Cmd {
	if msg.err != nil {
		m.note = msg.err.Error()
		if r, ok := errors.AsType[*refusal](msg.err); ok && r.status == http.StatusNotFound {
			m.note = "the agent takes no policies: it needs --admin-api"
		}
		return nil
	}
	m.clear()
	m.drill, m.note = msg.drill, ""
	return m.ask()
}

// lookBehind asks the agent to create the policy for a drill-down into the entry in focus.
func (m *model) lookBehind() tea.Cmd {
	p, entries := m.focused(), m.visible()
	if p == nil || p.look == nil || m.row >= len(entries) {
		return nil
	}
	name, policy := entries[m.row].name, m.policy
	m.note = "asking for what is behind " + entries[m.row].label() + " …"
	return func() tea.Msg {
		d, err := m.c.drill(context.Background(), p, policy, name)
		return drillMsg{d, err}
	}
}

// drill creates the policy for a drill-down into an entry of a panel.
func (c *client) drill(ctx context.Context, p *panel, policy, name string) (*drilldown, error) {
	info, err := c.policy(ctx, policy)
	if err != nil {
		return nil, err
	}
	base, err := info.base(policy)
	if err != nil {
		return nil, err
	}
	entry, err := base.Entry(name)
	if err != nil {
		return nil, err
	}
	plan, err := p.look(entry, base.InputType)
	if err != nil {
		return nil, fmt.Errorf("nothing is behind it: %w", err)
	}
	d := &drilldown{title: p.title + ": " + name, policy: drill.NewName()}
	doc, err := plan.Document(d.policy, base)
	if err != nil {
		return nil, err
	}
	return d, c.create(ctx, doc)
}

// leave returns from a drill-down.
func (m *model) leave() tea.Cmd {
	policy := m.drill.policy
	m.clear()
	m.drill = nil
	return tea.Batch(m.ask(), func() tea.Msg { return removedMsg{m.c.remove(context.Background(), policy)} })
}
