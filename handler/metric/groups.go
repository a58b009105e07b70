package metric

import (
	"fmt"
	"slices"
	"strings"
)

// GroupSet is a set of a handler's metric groups: bit i stands for the handler's i-th group.
type GroupSet uint32

// Has reports whether all groups of g are in s.
func (s GroupSet) Has(g GroupSet) bool { return s&g == g }

// GroupNames names a handler's groups: the i-th stands for bit i of a [GroupSet].
type GroupNames []string

// All returns the set of all groups.
func (n GroupNames) All() GroupSet { return 1<<len(n) - 1 }

// Resolve returns defaults without the groups in disable, plus the groups in enable. The groups in
// own are visor's own, which pktvisor lacks. In enable, "all" adds all groups except these, and
// "everything" adds these too. In disable, both clear all groups. Each of the two ends its list.
func (n GroupNames) Resolve(defaults, own GroupSet, enable, disable []string) (GroupSet, error) {
	set := defaults
	for _, name := range disable {
		g, last, err := n.find(name, own)
		if err != nil {
			return 0, err
		}
		if last {
			g = n.All()
		}
		if set &^= g; last {
			break
		}
	}
	for _, name := range enable {
		g, last, err := n.find(name, own)
		if err != nil {
			return 0, err
		}
		if set |= g; last {
			break
		}
	}
	return set, nil
}

// anyGroups accepts any group in a declaration whose groups are not needed.
var anyGroups = GroupNames{"*"}

// parse returns the set of the groups in list, which are joined by +.
func (n GroupNames) parse(list string) (set GroupSet, err error) {
	if list == "" || slices.Equal(n, anyGroups) {
		return 0, nil
	}
	for name := range strings.SplitSeq(list, "+") {
		i := slices.Index(n, name)
		if i < 0 {
			return 0, n.unknown(name, 0)
		}
		set |= 1 << i
	}
	return set, nil
}

// The names of sets of groups.
const (
	allGroups  = "all"        // of pktvisor
	everyGroup = "everything" // visor's own groups too
)

// GroupError is returned for a group that a handler does not have.
type GroupError struct {
	Name  string
	Valid []string // pktvisor's groups of the handler, and "all"
	Own   []string // visor's own groups, and "everything"
}

// Error returns the name and all valid names.
func (e *GroupError) Error() string {
	return fmt.Sprintf("unknown metric group %q; the groups are %s", e.Name, strings.Join(slices.Concat(e.Valid, e.Own), ", "))
}

// find returns the groups with a name. It reports whether that is a set, which ends a list. A set
// of pktvisor's groups lacks the groups in own.
func (n GroupNames) find(name string, own GroupSet) (set GroupSet, last bool, err error) {
	switch name {
	case allGroups:
		return n.All() &^ own, true, nil
	case everyGroup:
		return n.All(), true, nil
	}
	i := slices.Index(n, name)
	if i < 0 {
		return 0, false, n.unknown(name, own)
	}
	return 1 << i, false, nil
}

func (n GroupNames) unknown(name string, own GroupSet) error {
	e := GroupError{Name: name, Valid: []string{allGroups}, Own: []string{everyGroup}}
	for _, group := range slices.Sorted(slices.Values(n)) {
		if own.Has(1 << slices.Index(n, group)) {
			e.Own = append(e.Own, group)
		} else {
			e.Valid = append(e.Valid, group)
		}
	}
	return &e
}

// Choices returns the valid names of groups in a policy document.
func (n GroupNames) Choices() []string { return append([]string{allGroups, everyGroup}, n...) }
