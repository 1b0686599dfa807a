package e2e

import _ "leadsync/internal/testnet" // tests reach no other machine
