package handler

import "sync"

// meeting is a barrier for the workers of one recording. They wait for each other at the start of a
// period, so that all handlers learn the same from the previous period, which is complete then.
type meeting struct {
	mu      sync.Mutex
	all     *sync.Cond
	members int // workers that take part
	waiting int
	round   int    // number of finished meetings
	held    func() // called when all members wait, before they go on
}

func newMeeting(members int, held func()) *meeting {
	m := &meeting{members: members, held: held}
	m.all = sync.NewCond(&m.mu)
	return m
}

// wait blocks until all members wait or have left.
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

// leave removes a member.
func (m *meeting) leave() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.members--
	m.adjourn()
}

// adjourn ends the meeting if all members wait.
func (m *meeting) adjourn() {
	if m.waiting >= m.members {
		if m.waiting > 0 {
			m.held()
		}
		m.waiting = 0
		m.round++
		m.all.Broadcast()
	}
}
