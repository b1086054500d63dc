"""Retrieval: CUB-200-2011, Cars-196, Stanford Online Products, In-Shop."""

from __future__ import annotations

from dmlkit.data.entry import Entry, Source
from dmlkit.data.layouts import cars196, cub, in_shop, stanford_online_products
from dmlkit.data.layouts.common import Count

ENTRIES = (
    Entry(
        name="cub200",
        title="Caltech-UCSD Birds-200-2011",
        task="retrieval",
        counts={"train": Count(5864, 100), "test": Count(5924, 100)},
        sources=(
            Source(
                "CUB_200_2011.tgz",
                url="https://data.caltech.edu/records/65de6-vp158/files/CUB_200_2011.tgz",
                checksum="md5:97eceeb196236b17998738112f37df78",
                size=1_150_585_339,
            ),
        ),
        read=cub.read,
        draw=cub.draw,
        licence="non-commercial research and education; the photographs belong to their authors",
        citation="Wah, Branson, Welinder, Perona, Belongie: The Caltech-UCSD Birds-200-2011 Dataset, 2011",
        used_by="papers M (section 5) and W (section IV)",
        zero_shot=True,
    ),
    Entry(
        name="cars196",
        title="Cars-196",
        task="retrieval",
        counts={"train": Count(8054, 98), "test": Count(8131, 98)},
        sources=(
            Source("car_ims.tgz", checksum="md5:d5c8f0aa497503f355e17dc7886c3f14"),
            Source("cars_annos.mat", checksum="md5:b407c6086d669747186bd1d764ff9dbc", unpack=False),
        ),
        read=cars196.read,
        draw=cars196.draw,
        licence="none stated in the files; its page, now gone, said non-commercial research",
        citation="Krause, Stark, Deng, Fei-Fei: 3D Object Representations for Fine-Grained Categorization, 3dRR 2013",
        used_by="papers M (section 5) and W (section IV)",
        by_hand="its page is gone, but mirrors have the file, whose md5 will be checked",
        note="16,185 images; paper W prints 16,183",
        zero_shot=True,
    ),
    Entry(
        name="sop",
        title="Stanford Online Products",
        task="retrieval",
        counts={"train": Count(59_551, 11_318), "test": Count(60_502, 11_316)},
        sources=(
            Source(
                "Stanford_Online_Products.zip",
                url="http://ftp.cs.stanford.edu/cs/cvgl/Stanford_Online_Products.zip",
                checksum="md5:7f73d41a2f44250d4779881525aea32e",
            ),
        ),
        read=stanford_online_products.read,
        draw=stanford_online_products.draw,
        licence="see the file LICENSE in its archive; the photographs are those of sellers on eBay",
        citation="Song, Xiang, Jegelka, Savarese: Deep Metric Learning via Lifted Structured Feature Embedding, 2016",
        used_by="papers M (section 5) and W (section IV)",
        zero_shot=True,
    ),
    Entry(
        name="in-shop",
        title="DeepFashion In-shop Clothes Retrieval",
        task="retrieval",
        counts={"train": Count(25_882, 3997), "query": Count(14_218, 3985), "gallery": Count(12_612, 3985)},
        sources=(Source("img.zip"), Source("list_eval_partition.txt", into="Eval", unpack=False)),
        read=in_shop.read,
        draw=in_shop.draw,
        licence="non-commercial research, by agreement with its authors",
        citation="Liu, Luo, Qiu, Wang, Tang: DeepFashion, CVPR 2016",
        used_by="paper M (section 5)",
        by_hand="DeepFashion's page at mmlab.ie.cuhk.edu.hk gives it to those who sign its agreement",
        note="each query is looked for in the gallery, not among the other queries; no checksum is published",
        zero_shot=True,
        shows_people=True,
    ),
)
