package main

import (
	"fmt"
	"strconv"
	"strings"

	"visor/handler/anonymize"
	"visor/handler/asks"
)

// setAnonymize reads --anonymize: two lengths, or the name of a file with a key.
func (o *options) setAnonymize(text string) (err error) {
	if text == "" {
		return nil
	}
	cfg := &anonymize.Config{KeyFile: text}
	_, notNumber := strconv.Atoi(text)
	if v4, v6, ok := strings.Cut(text, ","); ok || notNumber == nil {
		var bad error
		cfg = new(anonymize.Config)
		cfg.IPv4, err = strconv.Atoi(v4)
		cfg.IPv6, bad = strconv.Atoi(v6)
		if err != nil || bad != nil || cfg.IPv4 == 0 || cfg.IPv6 == 0 {
			return fmt.Errorf("--anonymize %s: must be two lengths, as 24,48, or a file with a key", text)
		}
	}
	if o.anonymize, err = anonymize.New(*cfg); err != nil {
		return fmt.Errorf("--anonymize: %w", err)
	}
	o.anonymizeConfig = cfg
	return nil
}

// checkClient refuses a --client that is more exact than what --anonymize shows.
func (o *options) checkClient() error {
	if o.anonymize == nil || o.question == (asks.Question{}) {
		return nil
	}
	cfg, err := o.question.Config()
	if err != nil {
		return nil // reported before
	}
	for _, net := range cfg.OnlyClients.Prefixes() {
		if !o.anonymize.Shows(net) {
			return fmt.Errorf("--client %v: more exact than --anonymize allows", net)
		}
	}
	return nil
}
