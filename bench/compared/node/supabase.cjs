// @supabase/stripe-sync-engine. Environment: DATABASE_URL, STRIPE_WEBHOOK_SECRET, STRIPE_API_KEY, ASK (ask Stripe at each
// event), and what serve.cjs reads. Loaded with require: imported, its migrations do nothing.
const { StripeSync, runMigrations } = require('@supabase/stripe-sync-engine')
const { serve, askStandIn } = require('./serve.cjs')

const { DATABASE_URL, STRIPE_WEBHOOK_SECRET, STRIPE_API_KEY, ASK } = process.env
const SCHEMA = 'stripe'

async function main() {
  await runMigrations({ databaseUrl: DATABASE_URL, schema: SCHEMA })
  const sync = new StripeSync({
    poolConfig: { connectionString: DATABASE_URL, max: 10 },
    schema: SCHEMA,
    stripeSecretKey: STRIPE_API_KEY,
    stripeWebhookSecret: STRIPE_WEBHOOK_SECRET,
    ...(ASK && { revalidateObjectsViaStripeApi: ['customer', 'subscription'] }),
  })
  askStandIn(sync.stripe)
  serve((body, signature) => sync.processWebhook(body, signature))
}

main()
