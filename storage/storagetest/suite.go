package storagetest

import (
	"testing"

	"github.com/watchgate/watchgate/storage"
)

// Harness is one engine under test.
type Harness struct {
	// Store is migrated, empty, and this test's alone. It has to be a [storage.Feed],
	// and to have a method Waiting() int that counts the changes that wait.
	Store storage.Store
	// Away makes the database unreachable for Store and returns what brings it
	// back, nil when nothing does. It may be nil for tests that do not call it.
	Away func(t *testing.T) (back func())
}

// Run runs the suite. open makes a fresh harness and cleans up after its test.
func Run(t *testing.T, open func(t *testing.T) Harness) {
	for _, c := range []struct {
		name string
		test func(*testing.T, *world)
	}{
		{"Tenants", testTenants},
		{"Clients", testClients},
		{"ResourceServers", testResourceServers},
		{"Connections", testConnections},
		{"Domains", testDomains},
		{"Users", testUsers},
		{"Sessions", testSessions},
		{"Codes", testCodes},
		{"Grants", testGrants},
		{"Tokens", testTokens},
		{"Lookups", testLookups},
		{"Introspect", testIntrospect},
		{"AuthorizeView", testAuthorizeView},
		{"Arrivals", testArrivals},
		{"Logins", testLogins},
		{"SigningKeys", testSigningKeys},
		{"Events", testEvents},
		{"Keys", testKeys},
		{"KeyLists", testKeyLists},
		{"KeyRotation", testKeyRotation},
		{"KeyLookups", testKeyLookups},
		{"KeyDependants", testKeyDependants},
		{"KeyDeliveries", testKeyDeliveries},
		{"KeyUses", testKeyUses},
		{"Idempotency", testIdempotency},
		{"KeyRaces", testKeyRaces},
		{"SignInPeople", testSignInPeople},
		{"Owners", testOwners},
		{"SignInSessions", testSignInSessions},
		{"Logouts", testLogouts},
		{"Interruptions", testInterruptions},
		{"Factors", testFactors},
		{"Mails", testMails},
		{"Claims", testClaims},
		{"Chores", testChores},
		{"SignInRaces", testSignInRaces},
		{"SignInUpkeep", testSignInUpkeep},
		{"SignInFeed", testSignInFeed},
		{"Upkeep", testUpkeep},
		{"Races", testRaces},
		{"Isolation", testIsolation},
		{"UnknownTenant", testUnknownTenant},
		{"EveryChangeIsRecorded", testEveryChangeIsRecorded},
		{"AFailedChangeLeavesNothing", testFailedChangeLeavesNothing},
		{"Feed", testFeed},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.test(t, newWorld(t, open(t).Store))
		})
	}
	t.Run("Away", func(t *testing.T) {
		t.Parallel()
		testAway(t, open(t))
	})
}
