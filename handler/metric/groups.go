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

// Resolve returns defaults without the groups in disable, plus the groups in enable. In each list
// "all" clears or sets all groups and ends the list.
func (n GroupNames) Resolve(defaults GroupSet, enable, disable []string) (GroupSet, error) {
	set := defaults
	for _, name := range disable {
		g, err := n.find(name)
		if err != nil {
			return 0, err
		}
		set &^= g
		if name == allGroups {
			break
		}
	}
	for _, name := range enable {
		g, err := n.find(name)
		if err != nil {
			return 0, err
		}
		set |= g
		if name == allGroups {
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
		g, err := n.find(name)
		if err != nil {
			return 0, err
		}
		set |= g
	}
	return set, nil
}

const allGroups = "all"

// GroupError is returned for a group that a handler does not have.
type GroupError struct {
	Name  string
	Valid []string // the handler's groups, and "all"
}

// Error returns the name and the valid names.
func (e *GroupError) Error() string {
	return fmt.Sprintf("unknown metric group %q; the groups are %s", e.Name, strings.Join(e.Valid, ", "))
}

func (n GroupNames) find(name string) (GroupSet, error) {
	if name == allGroups {
		return n.All(), nil
	}
	i := slices.Index(n, name)
	if i < 0 {
		return 0, &GroupError{name, append([]string{allGroups}, slices.Sorted(slices.Values(n))...)}
	}
	return 1 << i, nil
}
