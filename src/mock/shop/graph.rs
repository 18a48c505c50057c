//! An order in the shape of the Admin API's object `Order`, made from that of its webhooks.

use serde_json::{Value, json};

fn upper(value: &Value) -> Value {
    value.as_str().map_or(Value::Null, |text| json!(text.to_uppercase()))
}

fn gid(kind: &str, id: &Value) -> Value {
    json!(format!("gid://shopify/{kind}/{id}"))
}

fn money(set: &Value) -> Value {
    let one = |m: &Value| json!({ "amount": m["amount"], "currencyCode": m["currency_code"] });
    match set.is_object() {
        true => json!({ "shopMoney": one(&set["shop_money"]), "presentmentMoney": one(&set["presentment_money"]) }),
        false => Value::Null,
    }
}

fn address(value: &Value) -> Value {
    match value.is_object() {
        true => json!({ "firstName": value["first_name"], "lastName": value["last_name"], "phone": value["phone"],
            "countryCodeV2": value["country_code"] }),
        false => Value::Null,
    }
}

fn list(value: &Value, each: impl Fn(&Value) -> Value) -> Value {
    json!(value.as_array().into_iter().flatten().map(each).collect::<Vec<_>>())
}

fn fulfillment(f: &Value) -> Value {
    let numbers = f["tracking_numbers"].as_array().cloned().unwrap_or_default();
    let info = |n: &Value| json!({ "company": f["tracking_company"], "number": n, "url": f["tracking_url"] });
    json!({
        "id": gid("Fulfillment", &f["id"]), "status": upper(&f["status"]), "createdAt": f["created_at"],
        "updatedAt": f["updated_at"], "displayStatus": upper(&f["shipment_status"]), "requiresShipping": true,
        "trackingInfo": numbers.iter().map(info).collect::<Vec<_>>(),
    })
}

fn refund(r: &Value) -> Value {
    let transaction = |t: &Value| {
        json!({ "kind": upper(&t["kind"]), "status": upper(&t["status"]),
            "amountSet": { "shopMoney": { "amount": t["amount"], "currencyCode": t["currency"] },
                "presentmentMoney": { "amount": t["amount"], "currencyCode": t["currency"] } } })
    };
    json!({ "id": gid("Refund", &r["id"]), "createdAt": r["created_at"],
        "transactions": { "nodes": list(&r["transactions"], transaction) } })
}

fn item(i: &Value) -> Value {
    let now = i.get("current_quantity").unwrap_or(&i["quantity"]);
    json!({ "name": i["name"], "quantity": i["quantity"], "currentQuantity": now,
        "requiresShipping": i["requires_shipping"], "image": null })
}

/// The order; without protected customer data its fields are null.
pub(super) fn order(o: &Value, sees_customers: bool) -> Value {
    let person = |value: Value| if sees_customers { value } else { Value::Null };
    let tags = o["tags"].as_str().unwrap_or_default().split(',').map(str::trim).filter(|t| !t.is_empty());
    let fulfilled = match o["fulfillment_status"].as_str() {
        Some("fulfilled") => "FULFILLED",
        Some("partial") => "PARTIALLY_FULFILLED",
        _ => "UNFULFILLED",
    };
    let outstanding = json!({ "shop_money": { "amount": o["total_outstanding"], "currency_code": o["currency"] },
        "presentment_money": { "amount": o["total_outstanding"], "currency_code": o["presentment_currency"] } });
    json!({
        "__typename": "Order", "id": gid("Order", &o["id"]), "name": o["name"], "test": o["test"],
        "confirmed": o["confirmed"], "tags": tags.collect::<Vec<_>>(), "email": person(o["email"].clone()),
        "phone": person(o["phone"].clone()), "createdAt": o["created_at"], "updatedAt": o["updated_at"],
        "cancelledAt": o["cancelled_at"], "cancelReason": upper(&o["cancel_reason"]),
        "displayFinancialStatus": upper(&o["financial_status"]), "displayFulfillmentStatus": fulfilled,
        "currencyCode": o["currency"], "presentmentCurrencyCode": o["presentment_currency"],
        "currentTotalPriceSet": money(&o["current_total_price_set"]), "totalOutstandingSet": money(&outstanding),
        "paymentGatewayNames": o["payment_gateway_names"], "customerLocale": o["customer_locale"],
        "sourceName": o["source_name"], "statusPageUrl": o["order_status_url"],
        "shippingAddress": person(address(&o["shipping_address"])),
        "billingAddress": person(address(&o["billing_address"])),
        "customAttributes": list(&o["note_attributes"], |a| json!({ "key": a["name"], "value": a["value"] })),
        "lineItems": { "nodes": list(&o["line_items"], item) },
        "fulfillments": list(&o["fulfillments"], fulfillment), "refunds": list(&o["refunds"], refund),
        "returns": { "nodes": [] }, "fulfillmentOrders": { "nodes": [] },
    })
}
