package handler

import "sync"

// meeting makes the workers of one recording wait for each other where a period begins, so that
// what handlers learn from the period before is the same for all of them.
type meeting struct {
	mu      sync.Mutex
	all     *sync.Cond
	members int // workers that take part
	waiting int
	round   int // meetings that are over
}

func newMeeting(members int) *meeting {
	m := &meeting{members: members}
	m.all = sync.NewCond(&m.mu)
	return m
}

// wait returns when all members wait, or have left.
func (m *meeting) wait() {
	m.mu.Lock()
	defer m.mu.Unlock()
	round := m.round
	m.waiting++
	m.adjourn()
	for round == m.round {
		m.all.Wait()
	}
}

// leave ends a membership.
func (m *meeting) leave() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.members--
	m.adjourn()
}

// adjourn ends the meeting if all are there.
func (m *meeting) adjourn() {
	if m.waiting >= m.members {
		m.waiting = 0
		m.round++
		m.all.Broadcast()
	}
}
