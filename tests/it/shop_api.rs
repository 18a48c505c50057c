//! shop_api: what the relay asks and says at a shop's own API, against the understudies of both shops' APIs.

mod doctor;
mod merge;
mod reconcile;
mod write_back;

use crate::deliver::world::{Setup, World, customers};
use orderwire::mock::{ShopHook, ShopKind, ShopOptions};

/// Everything to customers, by LINE, then mail.
pub const ROUTES: &str = customers!(["*"] => ["line-main", "mail"]);
/// A LINE user.
pub const MEI: &str = "U00000000000000000000000000000001";
/// The secret of the shop `tea`.
pub const TEA_SECRET: &str = "woo-test-secret-0123456789abcdef";
/// Where its webhooks lead.
pub const TEA_HOOK: &str = "https://notify.example.com/hooks/woocommerce/tea";

/// The world with these `[shop.api]` keys besides the mock's address and keys.
pub async fn world(tea: &'static str, wood: &'static str, shops: ShopOptions) -> World {
    World::start(Setup { routes: ROUTES, tea, wood, shops, ..Setup::default() }).await
}

/// The webhooks that the shop `tea` should have.
pub fn tea_hooks(world: &World) {
    for topic in ["order.created", "order.updated", "order.deleted", "order.restored"] {
        let (url, secret) = (TEA_HOOK.into(), TEA_SECRET.into());
        let hook = ShopHook { id: 0, topic: topic.into(), url, active: true, secret };
        world.mock.put_shop_hook(ShopKind::WooCommerce, hook);
    }
}
