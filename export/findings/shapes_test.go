package findings_test

import (
	"fmt"
	"strings"
	"time"

	"visor/internal/packettest"
)

// The attacks here have other shapes than those that thresholds were set on: other alphabets and
// lengths of names, clients that send unequally much, and other types and replies.

// some returns a client of n with unequal chances.
func (m *minute) some(n int) string { return client(1<<24 + 7*m.zipf(n)) }

// letters returns a text of random letters of an alphabet.
func (m *minute) letters(alphabet string, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = alphabet[m.rnd.IntN(len(alphabet))]
	}
	return string(b)
}

const (
	lower  = "abcdefghijklmnopqrstuvwxyz"
	base32 = "abcdefghijklmnopqrstuvwxyz234567"
	base36 = "abcdefghijklmnopqrstuvwxyz0123456789"
)

// repeat returns an attack of n events per minute.
func repeat(n int, event func(m *minute, i int)) func(*minute) {
	return func(m *minute) {
		for i := range n {
			event(m, i)
		}
	}
}

// labels2 has letters of 6 to 20 in one label or two, and SERVFAIL beside NXDOMAIN.
func labels2(n, clients int) func(*minute) {
	return repeat(n, func(m *minute, i int) {
		name := m.letters(base36, 6+m.rnd.IntN(15))
		if m.rnd.IntN(2) == 0 {
			name = m.letters(lower, 5+m.rnd.IntN(8))
		}
		if m.rnd.IntN(3) == 0 {
			name += "." + m.letters(lower, 4)
		}
		m.ask(m.at(), m.some(clients), name+".shop.target-zone.de", []uint16{1, 28, 15}[m.rnd.IntN(3)], m.rnd.IntN(3), 2+m.rnd.IntN(2), 0, 40*time.Millisecond)
	})
}

// silent2 has no reply for most names, and SERVFAIL for the others.
func silent2(n, clients int) func(*minute) {
	return repeat(n, func(m *minute, i int) {
		code := -1
		if m.rnd.IntN(4) == 0 {
			code = 2
		}
		m.ask(m.at(), m.some(clients), m.letters(lower, 10+m.rnd.IntN(6))+".quiet-zone.org", 28, m.rnd.IntN(3), code, 0, time.Second)
	})
}

// spoken2 has labels of consonants and vowels in turn, which look like words.
func spoken2(n, clients int) func(*minute) {
	return repeat(n, func(m *minute, i int) {
		var b strings.Builder
		for range 3 + m.rnd.IntN(3) {
			b.WriteString(m.letters("bcdfghjklmnprstvwz", 1) + m.letters("aeiou", 1))
		}
		m.ask(m.at(), m.some(clients), b.String()+".spoken-zone.org", 1, 0, 3, 0, 5e6)
	})
}

// tunnel2 has one label of base 32, with NULL and A queries, in a domain of the second level.
func tunnel2(n, clients int) func(*minute) {
	return repeat(n, func(m *minute, i int) {
		m.ask(m.at(), m.some(clients), m.letters(base32, 40+m.rnd.IntN(20))+".exfil-zone.net", []uint16{1, 10}[m.rnd.IntN(2)], 1, 0, 1, 20*time.Millisecond)
	})
}

// scan2 has no replies, usual source ports, 20 targets and the first 1,000 ports.
func scan2(n, hosts int) func(*minute) {
	return repeat(n, func(m *minute, i int) {
		from := fmt.Sprintf("%s:%d", client(1<<23+5*(i%hosts)), 20000+m.rnd.IntN(40000))
		m.frames = append(m.frames, packettest.TCP(m.at(), from, fmt.Sprintf("203.0.113.%d:%d", 1+m.rnd.IntN(20), 1+m.rnd.IntN(1000)), 2, 1, 0, nil))
	})
}

// amplify2 asks for keys and texts.
func amplify2(n, victims int) func(*minute) {
	return repeat(n, func(m *minute, i int) {
		m.ask(m.at(), m.some(victims), "keys.signed-zone.org", []uint16{48, 16}[m.rnd.IntN(2)], m.rnd.IntN(3), 0, 25, 5e6)
	})
}

// volume2 is more of the ordinary traffic of other clients.
func volume2(n, clients int) func(*minute) {
	return repeat(n, func(m *minute, i int) {
		name, code, answers := m.name()
		m.ask(m.at(), m.some(clients), name, 1, m.rnd.IntN(3), code, answers, 8e6)
	})
}

var foreign = strings.Fields(`verwaltung rechnung bestellung kunden lager vertrieb buchhaltung drucker kamera strasse schule bibliothek werkstatt zeitung
	accueil boutique commande facture bureau ecole mairie paiement connexion inscription recherche nouvelles fichiers sauvegarde reseau imprimante voiture
	tienda pedido cliente factura escuela biblioteca camara impresora ventas noticias archivos copia red correo`)

// guess2 has words of other languages, two in a name.
func guess2(n, clients int) func(*minute) {
	return repeat(n, func(m *minute, i int) {
		name := foreign[m.rnd.IntN(len(foreign))] + foreign[m.rnd.IntN(len(foreign))]
		m.ask(m.at(), m.some(clients), name+".guessed-zone.de", 28, m.rnd.IntN(3), 3, 0, 30*time.Millisecond)
	})
}

// count2 has two numbers, which are racks and nodes.
func count2(n, clients int) func(*minute) {
	return repeat(n, func(m *minute, i int) {
		k := m.n*n + i
		m.ask(m.at(), client(1<<24+k%clients), fmt.Sprintf("rack%d-node%d.dc.counted-zone.org", k/40%1000, k%40), 28, 0, 0, 2, 5e6)
	})
}

// walk2 asks for the name that follows a name, as programs do that lack the type NSEC.
func walk2(n, clients int) func(*minute) {
	return repeat(n, func(m *minute, i int) {
		name := "\x00." + foreign[m.rnd.IntN(len(foreign))] + fmt.Sprint(m.n*n+i) + ".walked-zone.org"
		m.ask(m.at(), m.some(clients), name, 1, 0, 3, 0, 5e6)
	})
}

// generate2 has two words in each name.
func generate2(n, clients int) func(*minute) {
	return repeat(n, func(m *minute, i int) {
		name := foreign[m.rnd.IntN(len(foreign))] + guesses[m.rnd.IntN(len(guesses))] + fmt.Sprint(m.rnd.IntN(100)) + ".com"
		m.ask(m.at(), client(1<<24+i%clients), name, 28, 0, 3, 0, 5e6)
	})
}
