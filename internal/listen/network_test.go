package listen

import _ "leadsync/internal/testnet"
