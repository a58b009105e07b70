package httpapi

import (
	"bytes"
	"encoding/json"
	"strings"
)

// selection chooses metrics by the beginnings of their JSON paths, as dns.wire_packets. An empty
// selection chooses all.
type selection []string

// newSelection splits lists at commas.
func newSelection(lists []string) (out selection) {
	for _, list := range lists {
		for path := range strings.SplitSeq(list, ",") {
			if path != "" {
				out = append(out, path)
			}
		}
	}
	return out
}

// of returns the chosen metrics of a JSON object of policies, modules and schemas.
func (s selection) of(policies []byte) ([]byte, error) {
	policies = bytes.TrimSpace(policies)
	if len(s) == 0 {
		return policies, nil
	}
	var all map[string]map[string]map[string]any
	dec := json.NewDecoder(bytes.NewReader(policies))
	dec.UseNumber()
	if err := dec.Decode(&all); err != nil {
		return nil, err
	}
	for _, modules := range all {
		for name, schemas := range modules {
			for key, metrics := range schemas {
				if tree := s.prune(metrics, key); tree != nil {
					schemas[key] = tree
				} else {
					delete(schemas, key)
				}
			}
			if len(schemas) == 0 {
				delete(modules, name)
			}
		}
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(all)
	return bytes.TrimSpace(b.Bytes()), err
}

// prune returns the chosen part of the value at a path, or nil.
func (s selection) prune(value any, path string) any {
	deeper := false
	for _, chosen := range s {
		if path == chosen || strings.HasPrefix(path, chosen+".") {
			return value
		}
		deeper = deeper || strings.HasPrefix(chosen, path+".")
	}
	tree, ok := value.(map[string]any)
	if !ok || !deeper {
		return nil
	}
	for key, v := range tree {
		if part := s.prune(v, path+"."+key); part != nil {
			tree[key] = part
		} else if key != "period" || strings.Contains(path, ".") { // of the module
			delete(tree, key)
		}
	}
	if len(tree) == 0 {
		return nil
	}
	return tree
}
